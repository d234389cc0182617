import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { pairedDevices } from '../pairing/two-devices.ts';
import { closed, forwarded, soon } from './forwarded.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

describe('a fence', () => {
  it('ends the open channels of that device at once, on both ends, and refuses new ones, until it is lifted', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    const local = await way.open();
    local.write('x');
    await once(local, 'data');
    const ended = closed(local);
    const fence = way.pc.channels.fence(way.mid.identity.id, 'disk/work');
    await ended;

    const refused = await way.open();
    await closed(refused.resume());
    expect(way.errors.at(-1)).toMatchObject({ kind: 'peer-refused', message: /fenced off/ });

    fence[Symbol.dispose]();
    const again = await way.open();
    again.write('y');
    expect(String((await once(again, 'data'))[0])).toBe('y');
    again.destroy();
  });

  it('hands on nothing more of what was under way', async () => {
    let received = 0;
    let fenced = false;
    let after = 0;
    await using way = await forwarded((socket) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (fenced) after += chunk.length;
      });
    });
    const local = await way.open();
    const chunk = Buffer.alloc(256 * 1024);
    const ended = closed(local);
    let writing = true;
    const writer = (async () => {
      while (writing && !local.destroyed) {
        if (!local.write(chunk)) await Promise.race([once(local, 'drain').catch(() => undefined), ended]);
      }
    })();
    while (received < 8 * 1024 * 1024) await new Promise((resolve) => setImmediate(resolve));
    using _ = way.pc.channels.fence(way.mid.identity.id, 'disk/*');
    fenced = true;
    await ended;
    writing = false;
    await writer;
    // what the kernel held for the local program when the fence fell: at most one socket buffer
    expect(after).toBeLessThan(1024 * 1024);
  });

  it('has let go of the local program when it returns, not only soon after', async () => {
    await using devices = await pairedDevices();
    const [ours, theirs] = duplexPair();
    using _ = devices.pc.channels.accept('disk/*', async () => theirs);
    const channel = await devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon());
    channel.stream.write('x');
    await once(ours, 'data');
    using _fence = devices.pc.channels.fence(devices.mid.identity.id, 'disk/*');
    expect(theirs.destroyed).toBe(true);
    channel.stream.destroy();
  });

  it('leaves other channels and other devices alone', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    using _a = way.pc.channels.fence(way.mid.identity.id, 'disk/other');
    using _b = way.pc.channels.fence('0'.repeat(64), 'disk/work');
    const local = await way.open();
    local.write('z');
    expect(String((await once(local, 'data'))[0])).toBe('z');
    local.destroy();
  });

  it('also stops channels that this end would open', async () => {
    await using devices = await pairedDevices();
    using _ = devices.mid.channels.fence(devices.pc.identity.id, 'disk/*');
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({
      kind: 'conflict',
    });
  });
});
