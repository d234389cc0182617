import { once } from 'node:events';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { formatPairingCode } from '../../../host-plugins/pairing/pairing-code.ts';
import { pairingProtocol } from '../../../protocol/pairing-messages.ts';
import { type Running, type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';
import { manInTheMiddle, otherThan, pairingClosed, strange } from './pairing-fixture.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes and sockets, on a machine that may be busy

interface Hosts extends AsyncDisposable {
  readonly pad: WdockdFolder;
  readonly desk: WdockdFolder;
  readonly deskDaemon: Running;
}

/** Two wdockd that do not know each other, and log all that they can. */
async function twoStrangers(): Promise<Hosts> {
  const stack = new AsyncDisposableStack();
  const start = async (name: string) => {
    const folder = stack.use(await wdockdFolder(name, { address: '127.0.0.1', port: 0 }));
    await appendFile(folder.config, 'log: { level: trace }\n');
    return { folder, daemon: stack.use(await folder.start()) };
  };
  const pad = await start('pad');
  const desk = await start('desk');
  return {
    pad: pad.folder,
    desk: desk.folder,
    deskDaemon: desk.daemon,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** `wdock pair`, up to the code that it shows. */
async function showCode(device: WdockdFolder, ...args: string[]) {
  const wdock = device.wdock('--json', 'pair', ...args);
  let text = '';
  wdock.child.stdout?.on('data', (data) => {
    text += String(data);
  });
  await wdock.printed('"expiresInMs"');
  const [line = ''] = text.split('\n');
  const { code, port } = JSON.parse(line) as { code: string; port: number };
  return { wdock, code, port, address: `127.0.0.1:${port}` };
}

/** `wdock pair NAME`, with the code on its standard input. */
function takeCode(device: WdockdFolder, name: string, address: string, code: string): Running {
  const wdock = device.wdock('pair', name, '--address', address, '--code-file', '-');
  wdock.child.stdin?.end(`${code}\n`);
  return wdock;
}

const devices = async (device: WdockdFolder) => (await device.wdock('devices').ended).out;

describe('two wdockd', () => {
  it('of which one has a wrong code stay strangers, and both users are told', async () => {
    await using hosts = await twoStrangers();
    const { pad, desk } = hosts;
    const { wdock, code, address, port } = await showCode(pad);
    await using shown = wdock;
    await using taken = takeCode(desk, 'pad', address, otherThan(code));
    expect(await taken.ended).toMatchObject({
      exit: 4,
      out: '',
      err: expect.stringContaining('this is not the code that the other device shows'),
    });
    expect(await shown.ended).toMatchObject({
      exit: 4,
      err: expect.stringContaining('a wrong code came from 127.0.0.1'),
    });
    await using again = takeCode(desk, 'pad', address, code);
    expect(await again.ended).toMatchObject({
      exit: 4,
      err: expect.stringContaining('run `wdock pair` there'),
    });
    await expect(strange(port)).rejects.toMatchObject(pairingClosed);
    expect(await devices(pad)).not.toContain('desk');
    expect(await devices(desk)).not.toContain('pad');
  });

  it('with somebody in between stay strangers, though the code is right', async () => {
    await using hosts = await twoStrangers();
    const { pad, desk } = hosts;
    const { wdock, code, port } = await showCode(pad);
    await using shown = wdock;
    await using between = await manInTheMiddle(port);
    await using taken = takeCode(desk, 'pad', `127.0.0.1:${between.port}`, code);
    expect(await taken.ended).toMatchObject({ exit: 4, err: expect.stringContaining('somebody is between') });
    expect(await shown.ended).toMatchObject({ exit: 4, err: expect.stringContaining('is between the two') });
    expect(await devices(pad)).not.toContain('desk');
    expect(await devices(desk)).not.toContain('pad');
  });

  it('with the right code trust each other, call each other, and part at once when one forgets', async () => {
    await using hosts = await twoStrangers();
    const { pad, desk, deskDaemon } = hosts;
    const { wdock, code, address } = await showCode(pad, '--trust', 'owned');
    await using shown = wdock;
    await using taken = takeCode(desk, 'pad', address, formatPairingCode(code));
    const { exit, out } = await taken.ended;
    expect(exit).toBe(0);
    const { out: shownOut, exit: shownExit } = await shown.ended;
    expect(shownExit).toBe(0);
    const [, result = ''] = shownOut.split('\n');
    const { device, ownFingerprint } = JSON.parse(result) as {
      device: { fingerprint: string };
      ownFingerprint: string;
    };
    expect(out).toContain(`pad:   ${ownFingerprint}`);
    expect(out).toContain(`desk:  ${device.fingerprint}`);
    expect(await devices(pad)).toMatch(/^desk .* owned +127\.0\.0\.1:\d+ +reachable$/m);
    expect(await devices(desk)).toMatch(/^pad .* known +127\.0\.0\.1:\d+ +reachable$/m);

    await using levelled = desk.wdock('devices', 'trust', 'pad', 'kiosk');
    expect(await levelled.ended).toMatchObject({ exit: 0, out: 'pad is trusted as kiosk.\n' });
    expect(await devices(desk)).toMatch(/^pad .* kiosk /m);

    await using call = pad.wdock('undock');
    await deskDaemon.printed('undock was asked');
    await using forget = desk.wdock('devices', 'forget', 'pad');
    expect(await forget.ended).toMatchObject({ exit: 0 });
    expect(await call.ended).toMatchObject({
      exit: 6,
      err: expect.stringContaining('the connection to "desk" is lost'),
    });
    expect(await devices(pad)).toMatch(/^desk .* not reachable$/m);
    await using refused = pad.wdock('undock');
    expect(await refused.ended).toMatchObject({
      exit: 4,
      err: expect.stringContaining('"desk" does not know this device'),
    });
  });

  it('never write a code or a key into a log, whatever comes of the pairing', async () => {
    await using hosts = await twoStrangers();
    const { pad, desk } = hosts;
    const wrong = await showCode(pad);
    await using wrongTaken = takeCode(desk, 'pad', wrong.address, otherThan(wrong.code));
    const right = await wrongTaken.ended.then(async () => {
      await wrong.wdock.ended;
      return await showCode(pad);
    });
    await using rightTaken = takeCode(desk, 'pad', right.address, right.code);
    expect((await rightTaken.ended).exit).toBe(0);

    const logs: string[] = [];
    const secrets = [wrong.code, otherThan(wrong.code), right.code].flatMap((code) => [
      code,
      formatPairingCode(code),
    ]);
    for (const device of [pad, desk]) {
      logs.push(await readFile(join(device.path, 'state/log/wdockd.log'), 'utf8'));
      const key = await readFile(join(device.path, 'state/identity/device.key'), 'utf8');
      secrets.push(...key.split('\n').filter((line) => line.length > 20 && !line.startsWith('-')));
    }
    for (const wdock of [wrongTaken, rightTaken]) {
      const { out, err } = await wdock.ended;
      logs.push(out, err);
    }
    // the screen that shows the code shows it once, and nothing else of it is written
    for (const { wdock, code } of [wrong, right]) {
      const { out, err } = await wdock.ended;
      expect(out.split(code)).toHaveLength(2);
      logs.push(err, out.replace(code, ''));
    }
    expect(secrets.length).toBeGreaterThanOrEqual(10);
    expect(logs.join('\n')).toContain('a pairing is open');
    // a time stamp or a hash may happen to have six digits of a code in it: they are taken out
    const text = logs.join('\n').replace(/"time":"[^"]*"|[0-9a-f]{64}|(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/g, '');
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });
});

describe('Ctrl-C', () => {
  it('where the code is shown leaves nothing open, and a new code can be shown', async () => {
    await using hosts = await twoStrangers();
    const { pad } = hosts;
    const { wdock, port } = await showCode(pad);
    await using shown = wdock;
    shown.kill('SIGINT');
    expect((await shown.ended).exit).toBe(130);
    await expect(strange(port)).rejects.toMatchObject(pairingClosed);
    const next = await showCode(pad);
    await using again = next.wdock;
    expect(again.child.exitCode).toBe(null);
  });

  it('where the code was typed hangs up, and nobody is trusted', async () => {
    await using hosts = await twoStrangers();
    const { desk } = hosts;
    const { privateKeyPem: key, certificatePem: cert } = await generateIdentity('mute');
    const mute = createTlsServer({
      key,
      cert,
      ALPNProtocols: [pairingProtocol],
      requestCert: true,
      rejectUnauthorized: false,
    });
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const came = once(mute, 'secureConnection') as Promise<[TLSSocket]>;
    await using taken = takeCode(desk, 'pad', `127.0.0.1:${port}`, '123456');
    const [socket] = await came;
    await once(socket, 'readable'); // its hello
    taken.kill('SIGINT');
    const closed = once(socket.resume(), 'close');
    socket.on('end', () => socket.end());
    expect((await taken.ended).exit).toBe(130);
    await closed;
    mute.close();
    expect(await devices(desk)).not.toContain('pad');
  });
});

it('a wdock that is killed while it shows a code leaves nothing open', async () => {
  await using hosts = await twoStrangers();
  const { pad } = hosts;
  const { wdock, port } = await showCode(pad);
  await using shown = wdock;
  await using logs = pad.wdock('logs', '-f');
  shown.kill('SIGKILL');
  await logs.printed('not paired');
  await expect(strange(port)).rejects.toMatchObject(pairingClosed);
});
