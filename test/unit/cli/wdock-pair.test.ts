import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import decodeQR from 'qr/decode.js';
import { describe, expect, it } from 'vitest';
import { renderQr } from '../../../host-plugins/cli/render/render-qr.ts';
import type { ControlHandlers } from '../../../host-plugins/daemon/handlers.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';
import { controlSocket, jsonLines, startWdock } from './wdock-fixture.ts';

const paired = {
  device: {
    id: 'x',
    name: 'pad',
    fingerprint: 'A1:B2',
    address: 'pad.local',
    trust: 'known',
    reachable: true,
    self: false,
  },
  ownFingerprint: 'C3:D4',
} as const;

/** A wdockd whose other device has the code at once. */
const pairsAtOnce = (asked: unknown[] = []): ControlHandlers => ({
  'pair.offer': async (params, { progress }) => {
    asked.push(params);
    const addresses = ['192.0.2.7', '2001:db8::7'];
    progress({ code: '012345', expiresInMs: 120_000, port: 7441, addresses });
    return paired;
  },
  'pair.join': async (params) => {
    asked.push(params);
    return paired;
  },
});

async function codeFile(text: string) {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'code');
  await writeFile(path, text);
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe('a wrong command line of wdock pair', () => {
  it.each([
    [['pair', '--address', 'pad.local'], /say what to call that device/],
    [['pair', '--code-file', '-'], /say what to call that device/],
    [['pair', 'pad', '--name', 'pad'], /not both/],
    [['pair', '--trust', 'friend'], /no level of trust; write owned, known, kiosk/],
    [['devices', 'trust', 'pad', 'friend'], /no level of trust/],
    [['pair', 'pad', '--address', 'pad.local', '--code', '123456'], /unknown option '--code'/],
  ])('%j is refused with 2', async (args, message) => {
    const { exit, out, err } = await startWdock(['--socket', '/nowhere/s', ...args]).ended;
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toMatch(message);
  });

  it('without a terminal to ask for the code says how to give it', async () => {
    const { exit, err } = await startWdock(['pair', 'pad', '--address', 'pad.local']).ended;
    expect(exit).toBe(2);
    expect(err).toContain('--code-file -');
  });

  it('with a file that has no code in it does not show what it has', async () => {
    await using file = await codeFile('98765');
    const { exit, err } = await startWdock(['pair', 'pad', '--address', 'x', '--code-file', file.path]).ended;
    expect(exit).toBe(2);
    expect(err).not.toContain('98765');
  });

  it('with a file that is not there ends with 3', async () => {
    const args = ['pair', 'pad', '--address', 'x', '--code-file', '/nowhere'];
    expect((await startWdock(args).ended).exit).toBe(3);
  });

  it('with a code and no address says that the address is missing', async () => {
    await using file = await codeFile('123456');
    const { exit, err } = await startWdock(['pair', 'pad', '--code-file', file.path]).ended;
    expect(exit).toBe(2);
    expect(err).toMatch(/where pad is reached/);
  });
});

describe('wdock pair', () => {
  it('interrupted waits until wdockd has closed everything', async () => {
    const closed: string[] = [];
    await using daemon = await controlSocket({
      'pair.offer': async (_params, { signal, progress }) => {
        progress({ code: '012345', expiresInMs: 120_000, port: 7440, addresses: [] });
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        closed.push('closed');
        throw new DockError('cancelled', 'nothing is open any more');
      },
    });
    const wdock = daemon.wdock('pair');
    await wdock.printed('012 345');
    wdock.interrupt();
    expect((await wdock.ended).exit).toBe(130);
    expect(closed).toEqual(['closed']);
  });

  it('shows the code in two groups, what to type on the other device, and both fingerprints', async () => {
    const asked: unknown[] = [];
    await using daemon = await controlSocket(pairsAtOnce(asked));
    const { exit, out } = await daemon.run('pair', '--name', 'pad', '--trust', 'owned');
    expect(exit).toBe(0);
    expect(out).toMatch(/wdock pair mid --address 192\.0\.2\.7:7441\n {2}\(or \[2001:db8::7\]:7441\)/);
    expect(out).toMatch(/^ {2}012 345$/m);
    expect(out).toMatch(/^mid: +C3:D4\npad: +A1:B2$/m);
    expect(asked).toEqual([{ name: 'pad', trust: 'owned' }]);
  });

  it('repeats what to type below a QR code, so that a terminal of 24 lines shows both', async () => {
    await using daemon = await controlSocket(pairsAtOnce());
    const screen = { columns: 80, colour: true, unicode: true };
    const { out } = await startWdock(['--socket', daemon.path, 'pair'], {}, screen).ended;
    const lines = out.slice(0, out.indexOf('Paired with')).split('\n');
    const firstOfCode = lines.findIndex((line) => line.startsWith('\u001b['));
    const below = lines.slice(lines.findLastIndex((line) => line.startsWith('\u001b[')) + 1);
    expect(lines.length - firstOfCode).toBeLessThanOrEqual(24);
    expect(below.join('\n')).toContain(
      'wdock pair mid --address 192.0.2.7:7441\ncode: 012 345\nGood for 2 minutes',
    );
  });

  it('for programs prints the code and the outcome, one object a line', async () => {
    await using daemon = await controlSocket(pairsAtOnce());
    const { out } = await daemon.run('--json', 'pair');
    expect(jsonLines(out)).toMatchObject([{ code: '012345', port: 7441 }, paired]);
  });

  it('NAME passes the code on, and prints it nowhere', async () => {
    const asked: unknown[] = [];
    await using daemon = await controlSocket(pairsAtOnce(asked));
    await using file = await codeFile('012 345\n');
    const { exit, out, err } = await daemon.run('pair', 'pad', '--address', 'x', '--code-file', file.path);
    expect(exit).toBe(0);
    expect(asked).toEqual([{ name: 'pad', address: 'x', code: '012345' }]);
    expect(`${out}${err}`).not.toMatch(/012 ?345/);
  });

  it('NAME takes the text of a QR code, with the address in it', async () => {
    const asked: unknown[] = [];
    await using daemon = await controlSocket(pairsAtOnce(asked));
    await using file = await codeFile('WDOCK:192.0.2.7:7441/012345\n');
    expect(await daemon.run('pair', 'pad', '--code-file', file.path)).toMatchObject({ exit: 0 });
    expect(asked).toEqual([{ name: 'pad', address: '192.0.2.7:7441', code: '012345' }]);
  });
});

it('the QR code on the terminal is read back by a decoder, and is narrower than a terminal', () => {
  const text = 'WDOCK:192.0.2.7:7441/012345';
  const { lines, columns } = renderQr(text);
  expect(columns).toBeLessThan(60);
  const scale = 4;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of the terminal are taken off
  const cells = lines.map((line) => Array.from(line.replace(/\u001b\[[\d;]*m/g, '')));
  const height = cells.length * 2 * scale;
  const width = columns * scale;
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = cells[Math.floor(y / scale / 2)]?.[Math.floor(x / scale)];
      const isUpper = Math.floor(y / scale) % 2 === 0;
      const dark = cell === '█' || cell === (isUpper ? '▀' : '▄');
      if (dark) data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  expect(decodeQR({ width, height, data })).toBe(text);
});
