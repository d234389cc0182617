import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { wdockdFolder } from './processes.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const anyPort = { address: '127.0.0.1', port: 0 };

async function health(socketPath: string): Promise<unknown> {
  const asked = request({ socketPath, path: '/healthz' }).end();
  const [response] = await once(asked, 'response');
  return JSON.parse(await text(response));
}

describe('a second wdockd', () => {
  it('for the same folders is refused with the pid of the first, which goes on', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using first = await here.start();
    await using second = here.spawn();
    const { exit, err } = await second.ended;
    expect(exit).toBe(1);
    expect(err).toContain(`another wdockd (pid ${first.child.pid}) already works with the folder`);
    expect(await health(here.socket)).toMatchObject({ status: 'ok', pid: first.child.pid });
  });

  it('for the same socket only is refused, too, and takes nothing away', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using there = await wdockdFolder('pc', anyPort);
    await using first = await here.start();
    await writeFile(
      there.config,
      `device: {class: laptop}\nstateFolder: state\nruntimeFolder: run\ncontrolSocket: ${here.socket}\nlisten: {port: 0}\n`,
    );
    await using second = there.spawn();
    const { exit, err } = await second.ended;
    expect(exit).toBe(1);
    expect(err).toContain('already works with the socket');
    expect(await health(here.socket)).toMatchObject({ pid: first.child.pid });
  });

  it('of two that start at the same moment does not start', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using a = here.spawn();
    await using b = here.spawn();
    const outcomes = await Promise.allSettled([a.printed('serving now'), b.printed('serving now')]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('on a port that is taken says so', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using first = await here.start();
    void first;
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    await using there = await wdockdFolder('pc', { address: '127.0.0.1', port });
    await using second = there.spawn();
    const { exit, err } = await second.ended;
    holder.close();
    expect(exit).toBe(1);
    expect(err).toMatch(new RegExp(`port ${port} of 127.0.0.1 is taken`));
    const logged = (await there.wdock('logs').ended).out;
    expect(logged).toContain('could not start');
    expect(logged).toContain(err.trim());
  });
});

describe('a wdockd that is killed', () => {
  it('ends a wdock that waits for it with 5 and what to do', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    await using wdock = here.wdock('dock', 'pc');
    await wdock.printed('dock work');
    daemon.kill('SIGKILL');
    const { exit, err } = await wdock.ended;
    expect(exit).toBe(5);
    expect(err).toMatch(/wdockd went away.*wdock status/);
  });

  it('leaves a socket that the next one replaces', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    daemon.kill('SIGKILL');
    await daemon.ended;
    expect((await stat(here.socket)).isSocket()).toBe(true);
    await using next = await here.start();
    expect(await health(here.socket)).toMatchObject({ pid: next.child.pid });
  });

  it('keeps its identity and whom it trusts', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    const certificate = async () => {
      await using daemon = await here.start();
      const { out } = await here.wdock('--json', 'devices', 'certificate').ended;
      daemon.kill('SIGKILL');
      return out;
    };
    expect(await certificate()).toBe(await certificate());
  });
});

describe('a wdockd that is told to end', () => {
  it('cancels what runs, lets wdock say how that went, and ends with 0', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    await using wdock = here.wdock('dock', 'pc');
    await wdock.printed('dock work');
    daemon.kill('SIGTERM');
    expect(await wdock.ended).toMatchObject({
      exit: 130,
      err: expect.stringContaining('the dock was undone'),
    });
    expect(await daemon.ended).toMatchObject({ exit: 0 });
    await expect(stat(here.socket)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('Ctrl-C in wdock', () => {
  it('undoes the dock and ends with 130', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using _ = await here.start();
    await using wdock = here.wdock('dock', 'pc');
    await wdock.printed('dock work');
    wdock.kill('SIGINT');
    expect(await wdock.ended).toMatchObject({
      exit: 130,
      err: expect.stringContaining('the dock was undone'),
    });
  });

  it('is not the same as a wdock that is killed: the dock goes on', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    await using wdock = here.wdock('dock', 'pc');
    await wdock.printed('dock work');
    wdock.kill('SIGKILL');
    await wdock.ended;
    await using status = here.wdock('devices');
    expect((await status.ended).exit).toBe(0);
    daemon.kill('SIGTERM');
    expect((await daemon.ended).exit).toBe(0);
    await using logs = here.wdock('logs');
    expect((await logs.ended).out).not.toContain('did not stop in good order');
  });
});

describe('the control socket', () => {
  it('is for its owner and its group only', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using _ = await here.start();
    expect(((await stat(here.socket)).mode & 0o777).toString(8)).toBe('660');
  });

  it('survives hostile bytes and frames', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    for (const bytes of [
      Buffer.alloc(200_000, 0xff),
      'GET /rpc HTTP/1.1\r\nUpgrade: websocket\r\n\r\n',
      `GET /${'x'.repeat(20_000)}`,
    ]) {
      const socket = connect(here.socket);
      socket.on('error', () => undefined);
      socket.resume();
      socket.write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    for (const frame of ['{', '[]', `"${'x'.repeat(2 ** 21)}"`, Buffer.alloc(10)]) {
      const socket = new WebSocket('ws://x/rpc', { createConnection: () => connect(here.socket) });
      socket.on('error', () => undefined);
      await once(socket, 'open');
      socket.send(frame);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    const idle = Array.from({ length: 50 }, () => connect(here.socket));
    expect(await health(here.socket)).toMatchObject({ status: 'ok', pid: daemon.child.pid });
    for (const socket of idle) socket.destroy();
  });
});

describe('the log', () => {
  it('is followed across what is added, until Ctrl-C', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    await using daemon = await here.start();
    await using logs = here.wdock('logs', '-f');
    await logs.printed('ready');
    daemon.kill('SIGTERM');
    await logs.printed('stopped');
    logs.kill('SIGINT');
    expect((await logs.ended).exit).toBe(0);
  });

  it('that is not there ends with 3', async () => {
    await using here = await wdockdFolder('mid', anyPort);
    expect(await here.wdock('logs').ended).toMatchObject({ exit: 3 });
  });
});
