import { once } from 'node:events';
import { appendFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, vi } from 'vitest';
import { wdockdFolder } from '../daemon/processes.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes, on a machine that may be busy

const anyPort = { address: '127.0.0.1', port: 0 };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function ask(
  port: number,
  path = '/metrics',
  options: { method?: string; headers?: Record<string, string> } = {},
) {
  const asked = request({ host: '127.0.0.1', port, path, ...options }).end();
  const [response] = await once(asked, 'response');
  return {
    status: response.statusCode as number,
    type: response.headers['content-type'],
    body: await text(response),
  };
}

it('metrics that cannot be offered do not keep wdockd from its work', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  await using here = await wdockdFolder('mid', anyPort);
  await appendFile(here.config, `metrics: { listen: "127.0.0.1:${port}" }\n`);
  await using _ = await here.start();
  holder.close();
  expect((await here.wdock('logs').ended).out).toContain(`cannot listen at 127.0.0.1 port ${port}`);
  expect((await here.wdock('devices').ended).exit).toBe(0);
});

it('metrics are there for GET of their path, and not for a name that was made to lead here', async () => {
  const port = await freePort();
  await using here = await wdockdFolder('mid', anyPort);
  await appendFile(here.config, `metrics: { listen: "127.0.0.1:${port}" }\n`);
  await using _ = await here.start();
  expect((await ask(port, '/')).status).toBe(404);
  expect((await ask(port, '/metrics', { method: 'POST' })).status).toBe(405);
  expect((await ask(port, '/metrics', { headers: { Host: 'evil.example' } })).status).toBe(403);

  const begin = await ask(port);
  expect(begin).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
  expect(begin.body).toContain('wdock_workspaces{state="here"} 1\n');
  expect(begin.body).toMatch(/^process_resident_memory_bytes \d{7,}$/m);

  await using wdock = here.wdock('dock', 'pc');
  await wdock.printed('dock work');
  expect((await ask(port)).body).toContain('wdock_trips_running 1\n');
  wdock.kill('SIGINT');
  await wdock.ended;
  const end = (await ask(port)).body;
  expect(end).toContain('wdock_trips_total{trip="dock",outcome="cancelled"} 1\n');
  for (const line of end.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [-+.e\dA-Z]+)$/);
});
