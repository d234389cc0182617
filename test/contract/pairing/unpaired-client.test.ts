import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { pairingProtocol } from '../../../protocol/pairing-messages.ts';
import { Running, type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';

vi.setConfig({ testTimeout: 120_000 }); // processes and sockets, on a machine that may be busy

const run = promisify(execFile);
const mayMakeNamespaces = process.getuid?.() === 0;
const port = 7440;
const scanner = fileURLToPath(new URL('scan-ports.ts', import.meta.url));

/** A wdockd in a network namespace of its own, in which nothing else listens. */
async function lonelyHost() {
  const stack = new AsyncDisposableStack();
  const namespace = `wdu${process.pid}`;
  await run('ip', ['netns', 'add', namespace]);
  stack.defer(async () => void (await run('ip', ['netns', 'delete', namespace])));
  await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  const enter = ['ip', 'netns', 'exec', namespace];
  const device = stack.use(await wdockdFolder('pc', { address: '0.0.0.0', port }, enter));
  stack.use(await device.start());
  const inside = async (...argv: string[]) => (await run('ip', [...enter.slice(1), ...argv])).stdout;
  return { device, enter, inside, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** What openssl s_client sees: the records that the server sent, and what came as data. */
async function openssl(host: { device: WdockdFolder; enter: readonly string[] }, options: readonly string[]) {
  const log = join(host.device.path, 'records');
  const argv = ['openssl', 's_client', '-connect', `127.0.0.1:${port}`, '-quiet', '-no_ign_eof'];
  await using client = new Running([...host.enter, ...argv, '-msg', '-msgfile', log, ...options]);
  client.child.stdin?.on('error', () => undefined);
  client.child.stdin?.write('GET /peer HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const { out, err } = await client.ended;
  const records = [
    ...(await readFile(log, 'utf8')).matchAll(/^<<< TLS 1\.\d, (\w+) \[length \w+\](?:, (.*))?$/gm),
  ];
  const received = records.map(([, type = '', what = '']) => `${type} ${what}`.trim());
  return {
    handshake: received.filter((line) => line.startsWith('Handshake')).map((line) => line.slice(10)),
    alerts: received.filter((line) => line.startsWith('Alert')).map((line) => line.slice(6)),
    data: out,
    complaint: err,
  };
}

describe.skipIf(!mayMakeNamespaces)('a device that shows no code', () => {
  it('has one port, and a stranger gets nothing but the handshake and an alert from it', async () => {
    await using host = await lonelyHost();
    const { device, inside } = host;
    expect(JSON.parse(await inside(process.execPath, scanner, '127.0.0.1', '127.0.0.2'))).toEqual([port]);
    const sockets = (await inside('ss', '-Hltun')).trim().split('\n');
    expect(sockets).toHaveLength(1);
    expect(sockets[0]).toMatch(new RegExp(`^tcp .*0\\.0\\.0\\.0:${port} `));

    const { certificatePem, privateKeyPem } = await generateIdentity('stranger');
    const [certificate, key] = [join(device.path, 'stranger.pem'), join(device.path, 'stranger.key')];
    await writeFile(certificate, certificatePem);
    await writeFile(key, privateKeyPem);
    for (const identity of [[], ['-cert', certificate, '-key', key]]) {
      const { handshake, alerts, data } = await openssl(host, identity);
      expect(handshake.at(-1)).toBe('Finished'); // no tickets after it
      expect(alerts).toEqual(['warning close_notify']);
      expect(data).toBe('');

      const pairing = await openssl(host, [...identity, '-alpn', pairingProtocol]);
      expect(pairing.handshake).toEqual([]); // not even the device's certificate
      expect(pairing.alerts).toHaveLength(1);
      expect(pairing.complaint).toContain('alert no application protocol');
    }
    const old = await openssl(host, ['-tls1_2']);
    expect(old.handshake).toEqual([]);
    expect(old.alerts).toEqual(['fatal protocol_version']);
  });

  it('shows none of this device while a code is shown either, but to who asks for pairing', async () => {
    await using host = await lonelyHost();
    await using shown = host.device.wdock('pair');
    await shown.printed('Waiting');
    const { alerts, data } = await openssl(host, []);
    expect(alerts).toEqual(['warning close_notify']);
    expect(data).toBe('');
    expect((await host.inside('ss', '-Hltun')).trim().split('\n')).toHaveLength(1);
  });
});
