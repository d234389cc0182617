import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatFingerprint } from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const self = await generateIdentity('self');
const pc = await generateIdentity('pc');
const tablet = await generateIdentity('tablet');

const wish = (identity: typeof pc, name: string, fingerprint = formatFingerprint(identity.id)) => ({
  name,
  certificatePem: identity.certificatePem,
  fingerprint,
  address: '192.0.2.7',
});

async function store() {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'devices.json');
  return {
    path,
    trust: await TrustStore.load(path, self.id),
    again: () => TrustStore.load(path, self.id),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('trusting a device', () => {
  it('is refused when the fingerprint is that of another certificate, and nothing is written', async () => {
    await using at = await store();
    await expect(at.trust.add(wish(pc, 'pc', tablet.id))).rejects.toMatchObject({ kind: 'untrusted' });
    await expect(readFile(at.path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is refused when the fingerprint is cut off', async () => {
    await using at = await store();
    await expect(at.trust.add(wish(pc, 'pc', pc.id.slice(0, 40)))).rejects.toMatchObject({ kind: 'usage' });
  });

  it("is refused for this device's own certificate", async () => {
    await using at = await store();
    await expect(at.trust.add(wish(self, 'me'))).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('is refused for a name that another device has', async () => {
    await using at = await store();
    await at.trust.add(wish(pc, 'desk'));
    await expect(at.trust.add(wish(tablet, 'desk'))).rejects.toMatchObject({ kind: 'conflict' });
    expect(at.trust.list().map(({ id }) => id)).toEqual([pc.id]);
  });

  it.each(['', 'a b', '../x', '-x', 'x'.repeat(64), 'a\u001b[2J'])(
    'is refused for the name %j',
    async (name) => {
      await using at = await store();
      await expect(at.trust.add(wish(pc, name))).rejects.toMatchObject({ kind: 'usage' });
    },
  );

  it('does not count when it cannot be written', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'devices.json');
    const trust = await TrustStore.load(path, self.id);
    await mkdir(path); // a rename over a folder fails, as a full disk does, before the change counts
    await expect(trust.add(wish(pc, 'pc'))).rejects.toMatchObject({ kind: 'io' });
    expect(trust.list()).toEqual([]);
  });

  it('survives a restart', async () => {
    await using at = await store();
    await at.trust.add(wish(pc, 'pc'));
    expect((await at.again()).find('pc').id).toBe(pc.id);
  });

  it('of a known device again changes its name and address', async () => {
    await using at = await store();
    await at.trust.add(wish(pc, 'pc'));
    await at.trust.add({ ...wish(pc, 'desk'), address: 'desk.local:99' });
    expect(at.trust.list()).toMatchObject([{ id: pc.id, name: 'desk', address: 'desk.local:99' }]);
  });

  it('keeps all of several that come at once', async () => {
    await using at = await store();
    await Promise.all([at.trust.add(wish(pc, 'pc')), at.trust.add(wish(tablet, 'tablet'))]);
    const names = (await at.again()).list().map(({ name }) => name);
    expect(names.sort()).toEqual(['pc', 'tablet']);
  });
});

describe('how far a device is trusted', () => {
  it('can only be said of one that is known', async () => {
    await using at = await store();
    await expect(at.trust.setTrust('pc', 'owned')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('is `known` until somebody says more or less, which survives a restart and a new address', async () => {
    await using at = await store();
    expect(await at.trust.add(wish(pc, 'pc'))).toMatchObject({ trust: 'known' });
    expect(await at.trust.setTrust('pc', 'kiosk')).toMatchObject({ id: pc.id, trust: 'kiosk' });
    expect((await at.again()).find('pc').trust).toBe('kiosk');
    expect(await at.trust.add({ ...wish(pc, 'pc'), address: 'elsewhere' })).toMatchObject({ trust: 'kiosk' });
    expect(await at.trust.add({ ...wish(pc, 'pc'), trust: 'owned' })).toMatchObject({ trust: 'owned' });
  });

  it('is `known` for devices of a file that does not say it', async () => {
    await using at = await store();
    const { id, certificatePem } = pc;
    const devices = [{ id, certificatePem, name: 'pc', address: '192.0.2.7' }];
    await writeFile(at.path, JSON.stringify({ format: 1, devices }));
    expect((await at.again()).find('pc').trust).toBe('known');
  });
});

describe('a device that is forgotten', () => {
  it('is unknown afterwards, also after a restart, and those with connections are told', async () => {
    await using at = await store();
    await at.trust.add(wish(pc, 'pc'));
    const told: string[] = [];
    at.trust.on('forgotten', ({ name }) => told.push(name));
    await at.trust.forget('pc');
    expect(told).toEqual(['pc']);
    expect(() => at.trust.find('pc')).toThrow(/no device "pc"/);
    expect((await at.again()).list()).toEqual([]);
  });

  it('has to be known', async () => {
    await using at = await store();
    await expect(at.trust.forget('nobody')).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('the accepted risk of a kiosk', () => {
  it('is forgotten with the device, and when its level changes', async () => {
    await using at = await store();
    const accepted = async () => (await at.again()).find('pc').riskAccepted;
    await at.trust.add({ ...wish(pc, 'pc'), trust: 'kiosk' });
    await at.trust.acceptRisk('pc');
    expect(await accepted()).toBe(true);
    await at.trust.setTrust('pc', 'known');
    await at.trust.setTrust('pc', 'kiosk');
    expect(await accepted()).toBeUndefined();
    await at.trust.acceptRisk('pc');
    await at.trust.forget('pc');
    await at.trust.add({ ...wish(pc, 'pc'), trust: 'kiosk' });
    expect(await accepted()).toBeUndefined();
  });

  it('is kept while the device is paired again, as its level is', async () => {
    await using at = await store();
    await at.trust.add({ ...wish(pc, 'pc'), trust: 'kiosk' });
    await at.trust.acceptRisk('pc');
    await at.trust.add({ ...wish(pc, 'pc'), address: 'elsewhere' });
    expect((await at.again()).find('pc')).toMatchObject({ trust: 'kiosk', riskAccepted: true });
  });
});

describe('a damaged devices.json', () => {
  it.each([
    ['cut off', '{"format":1,"devi'],
    ['of another format', '{"format":2,"devices":[]}'],
    ['with an id that is not the one of its certificate', undefined],
  ])('that is %s stops the start, and stays as it is', async (_what, text) => {
    await using at = await store();
    const swapped = { id: tablet.id, name: 'pc', certificatePem: pc.certificatePem, address: 'x' };
    const content = text ?? JSON.stringify({ format: 1, devices: [swapped] });
    await writeFile(at.path, content);
    await expect(at.again()).rejects.toMatchObject({ kind: 'config-invalid' });
    expect(await readFile(at.path, 'utf8')).toBe(content);
  });
});
