import { describe, expect, it, onTestFinished } from 'vitest';
import { secretNames, TwoAvahis } from './two-avahis.ts';

const mayMakeNamespaces = process.getuid?.() === 0;

const limit = { timeout: 60_000 };

async function twoAvahis(...served: Parameters<typeof TwoAvahis.start>): Promise<TwoAvahis> {
  const two = await TwoAvahis.start(...served);
  onTestFinished(() => two[Symbol.asyncDispose]());
  return two;
}

/** The identifiers in what was captured: the only text that the announcements have. */
const recordsIn = (frames: string): Set<string> => new Set(frames.match(/0=[\w-]{64}/g));

describe.skipIf(!mayMakeNamespaces)('announcements by two real avahi-daemons on one cable', () => {
  it('are of no use to a device that is trusted by one side alone', async () => {
    const two = await twoAvahis();
    await two.trust('mid', 'pc');
    await using capture = await two.capture();
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    await mid.saw({ name: 'announcements', state: 'ok' });
    await pc.saw({ name: 'announcements', state: 'ok' });
    await expect.poll(async () => recordsIn(await capture.text()).size, limit).toBe(1);
    expect(mid.told.filter(({ kind }) => kind === 'announcement')).toEqual([]);
    expect(pc.told.filter(({ kind }) => kind === 'announcement')).toEqual([]);
  });

  it('are recognised by the paired device, with the address to dial, and say no name in the clear', async () => {
    const two = await twoAvahis();
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    await using capture = await two.capture();
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    const [midId, pcId] = [two.ids.get('mid') ?? '', two.ids.get('pc') ?? ''];
    await mid.saw({ kind: 'announcement', device: pcId, heard: true });
    await pc.saw({ kind: 'announcement', device: midId, heard: true });
    await expect.poll(() => mid.told.flatMap(({ hints }) => hints ?? [])).toContain('192.0.2.2:7441');
    const frames = await capture.text();
    expect(recordsIn(frames).size).toBe(2); // one of each, however often it announces itself anew
    for (const secret of [...Object.values(secretNames), midId.slice(0, 16), pcId.slice(0, 16)]) {
      expect(frames.includes(secret)).toBe(false);
    }
  });

  it('are made by Avahi as soon as it is there, and by wdockd itself before and after', async () => {
    const two = await twoAvahis(['pc']);
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    const pc = two.observe('pc');
    const mid = two.observe('mid');
    const heardPc = { kind: 'announcement', device: two.ids.get('pc') ?? '', heard: true };
    const heardMid = { kind: 'announcement', device: two.ids.get('mid') ?? '', heard: true };
    await Promise.all([mid.saw(heardPc), pc.saw(heardMid)]);
    for (const change of ['startAvahi', 'stopAvahi'] as const) {
      const from = mid.told.length;
      await two[change]('mid');
      await mid.saw({ ...heardPc, heard: false }, from);
      await mid.saw(heardPc, from);
      mid.say('check');
      const by = change === 'startAvahi' ? /^by avahi/ : /^by wdockd itself/;
      expect((await mid.saw({ name: 'announcements', state: 'ok' }, from))['detail']).toMatch(by);
      // Whether it was lost in between depends on which of good-bye and new announcement is heard first.
      const last = () => pc.told.findLast(({ kind }) => kind === 'announcement');
      await expect.poll(last, limit).toMatchObject(heardMid);
    }
  });

  it('end for the other one when the device leaves, and begin again when it, or its Avahi, is back', async () => {
    const two = await twoAvahis();
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    const device = two.ids.get('pc') ?? '';
    await mid.saw({ kind: 'announcement', device, heard: true });
    await pc[Symbol.asyncDispose]();
    await mid.saw({ kind: 'announcement', device, heard: false });
    await mid.saw({ hints: [], device });
    let from = mid.told.length;
    two.observe('pc');
    await mid.saw({ kind: 'announcement', device, heard: true }, from);
    from = mid.told.length;
    await two.stopAvahi('mid');
    await mid.saw({ kind: 'announcement', device, heard: false }, from);
    await two.startAvahi('mid');
    await mid.saw({ kind: 'announcement', device, heard: true }, from);
  });

  it('change all their names with the time slot, and the device is heard all the while', async () => {
    const two = await twoAvahis();
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    await using capture = await two.capture();
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    const device = two.ids.get('pc') ?? '';
    await mid.saw({ kind: 'announcement', device, heard: true });
    pc.say('next slot');
    await expect.poll(async () => recordsIn(await capture.text()).size, limit).toBe(3); // of mid, and twice of pc
    await expect.poll(async () => goodbyes(await capture.text()), limit).toBeGreaterThan(0);
    expect(mid.told.filter(({ kind }) => kind === 'announcement')).toHaveLength(1);
    // The service's and the host's, of mid and twice of pc.
    expect(namesIn(await capture.text()).size).toBeGreaterThanOrEqual(6);
  });
});

/** Labels as long as ours, a word by itself: what is not \w around them are lengths and pointers of DNS. */
const namesIn = (frames: string): Set<string> => new Set(frames.match(/(?<![\w-])[\w-]{16}(?![\w-])/g));

/** Pointers to services that are withdrawn: a time to live of 0 (RFC 6762, 10.1). */
const goodbyes = (frames: string): number => frames.split('\0\x0c\0\x01\0\0\0\0').length - 1;

describe.skipIf(!mayMakeNamespaces)('announcements where there is no Avahi', () => {
  it.each([[[]], [['pc']]] as const)(
    'are recognised by the paired device, with the address to dial, and say no name in the clear; Avahi is with %j',
    async (served) => {
      const two = await twoAvahis(served);
      await two.trust('mid', 'pc');
      await two.trust('pc', 'mid');
      await using capture = await two.capture();
      const mid = two.observe('mid');
      const pc = two.observe('pc');
      const [midId, pcId] = [two.ids.get('mid') ?? '', two.ids.get('pc') ?? ''];
      await mid.saw({ kind: 'announcement', device: pcId, heard: true });
      await pc.saw({ kind: 'announcement', device: midId, heard: true });
      await expect.poll(() => mid.told.flatMap(({ hints }) => hints ?? [])).toContain('192.0.2.2:7441');
      await expect.poll(() => pc.told.flatMap(({ hints }) => hints ?? [])).toContain('192.0.2.1:7441');
      const byIpv6 = expect.stringMatching(/^\[fe80::[\da-f:]+%\d+\]:7441$/);
      await expect.poll(() => mid.told.flatMap(({ hints }) => hints ?? [])).toContainEqual(byIpv6);
      await expect.poll(() => pc.told.flatMap(({ hints }) => hints ?? [])).toContainEqual(byIpv6);
      const frames = await capture.text();
      expect(recordsIn(frames).size).toBe(2);
      for (const secret of [...Object.values(secretNames), midId.slice(0, 16), pcId.slice(0, 16)]) {
        expect(frames.includes(secret)).toBe(false);
      }
    },
  );

  it('change all their names with the time slot, and the device is heard all the while', async () => {
    const two = await twoAvahis([]);
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    await using capture = await two.capture();
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    const device = two.ids.get('pc') ?? '';
    await mid.saw({ kind: 'announcement', device, heard: true });
    pc.say('next slot');
    await expect.poll(async () => recordsIn(await capture.text()).size, limit).toBe(3);
    await expect.poll(async () => goodbyes(await capture.text()), limit).toBeGreaterThan(0);
    expect(mid.told.filter(({ kind }) => kind === 'announcement')).toHaveLength(1);
  });

  it('end for the other one when wdockd ends in good order', async () => {
    const two = await twoAvahis([]);
    await two.trust('mid', 'pc');
    await two.trust('pc', 'mid');
    const mid = two.observe('mid');
    const pc = two.observe('pc');
    const device = two.ids.get('pc') ?? '';
    await mid.saw({ kind: 'announcement', device, heard: true });
    pc.end();
    await mid.saw({ kind: 'announcement', device, heard: false });
    await mid.saw({ hints: [], device });
  });

  it('leave the port alone while nobody is paired', async () => {
    const two = await twoAvahis([]);
    await two.trust('pc', 'mid');
    await two.observe('mid').saw({ name: 'announcements', state: 'ok' });
    two.observe('pc');
    await expect.poll(() => two.boundPorts('pc'), limit).toMatch(/:5353 /);
    expect(await two.boundPorts('mid')).toBe('');
  });

  it('are not made while another program has the port for itself, which the doctor says', async () => {
    const two = await twoAvahis([]);
    await two.trust('mid', 'pc');
    await two.holdPort('mid', 5353);
    const mid = two.observe('mid');
    await expect
      .poll(async () => {
        mid.say('check');
        return mid.told.findLast(({ name }) => name === 'announcements');
      }, limit)
      .toMatchObject({ state: 'warning', remedy: expect.stringContaining('ss -ulpn') });
  });
});
