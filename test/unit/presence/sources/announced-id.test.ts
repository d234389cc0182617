import { describe, expect, it } from 'vitest';
import { generateIdentity, type Identity } from '../../../../host-plugins/pairing/identity.ts';
import { TrustStore } from '../../../../host-plugins/pairing/trust-store.ts';
import { Acquaintances } from '../../../../host-plugins/presence/sources/announcements/acquaintances.ts';
import {
  announcedId,
  announcementKey,
  idLength,
  slotAt,
  slotMs,
} from '../../../../host-plugins/presence/sources/announcements/announced-id.ts';
import {
  formatIdRecords,
  parseIdRecords,
  randomId,
} from '../../../../host-plugins/presence/sources/announcements/id-records.ts';
import { temporaryFolder } from '../../pairing/temporary-folder.ts';

const now = Date.UTC(2026, 0, 1, 12, 1);

/** A device that trusts these, and what it makes of announcements. */
async function device(own: Identity, ...others: readonly Identity[]) {
  const folder = await temporaryFolder();
  const trust = await TrustStore.load(`${folder.path}/devices.json`, own.id);
  for (const [at, other] of others.entries()) {
    const { certificatePem, id: fingerprint } = other;
    await trust.add({ name: `device-${at}`, certificatePem, fingerprint, address: '192.0.2.1' });
  }
  return { trust, knows: new Acquaintances(own, trust), [Symbol.asyncDispose]: folder[Symbol.asyncDispose] };
}

describe('an announced identifier', () => {
  it('is not recognised by a stranger, nor by the announcer itself', async () => {
    const [mid, pc, stranger] = await Promise.all(['mid', 'pc', 'stranger'].map(generateIdentity));
    if (mid === undefined || pc === undefined || stranger === undefined) throw new Error('no identities');
    await using onMid = await device(mid, pc);
    await using onStranger = await device(stranger, mid, pc);
    const ids = onMid.knows.idsToAnnounce(now);
    expect(onStranger.knows.recognise(ids, now)).toBeUndefined();
    expect(onMid.knows.recognise(ids, now)).toBeUndefined();
  });

  it('is not recognised two slots later, when somebody repeats it', async () => {
    const [mid, pc] = [await generateIdentity('mid'), await generateIdentity('pc')];
    await using onMid = await device(mid, pc);
    await using onPc = await device(pc, mid);
    const ids = onMid.knows.idsToAnnounce(now);
    expect(onPc.knows.recognise(ids, now + 2 * slotMs)).toBeUndefined();
    expect(onPc.knows.recognise(ids, now - 2 * slotMs)).toBeUndefined();
  });

  it('is not recognised when the device was forgotten', async () => {
    const [mid, pc] = [await generateIdentity('mid'), await generateIdentity('pc')];
    await using onMid = await device(mid, pc);
    await using onPc = await device(pc, mid);
    await onPc.trust.forget(mid.id);
    expect(onPc.knows.recognise(onMid.knows.idsToAnnounce(now), now)).toBeUndefined();
    expect(onPc.knows.idsToAnnounce(now)).toEqual([]);
  });

  it('is recognised by the paired device alone, also with a clock that is a slot off', async () => {
    const [mid, pc] = [await generateIdentity('mid'), await generateIdentity('pc')];
    await using onMid = await device(mid, pc);
    await using onPc = await device(pc, mid);
    const heard = parseIdRecords(formatIdRecords(onMid.knows.idsToAnnounce(now)));
    for (const clock of [now, now - slotMs, now + slotMs]) {
      expect(onPc.knows.recognise(heard, clock)).toBe(mid.id);
    }
  });

  it('comes of the same key on both devices, and is another one in each direction and slot', async () => {
    const [mid, pc] = [await generateIdentity('mid'), await generateIdentity('pc')];
    const key = announcementKey(mid, pc);
    expect(announcementKey(pc, mid)).toEqual(key);
    const slot = slotAt(now);
    const ids = [mid.id, pc.id].flatMap((id) => [announcedId(key, id, slot), announcedId(key, id, slot + 1)]);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(new RegExp(`^[\\w-]{${idLength}}$`));
  });

  it('is announced with others that stay the same in a slot, so that their number says little', async () => {
    const [mid, pc] = [await generateIdentity('mid'), await generateIdentity('pc')];
    await using onMid = await device(mid, pc);
    const ids = onMid.knows.idsToAnnounce(now);
    expect(ids).toHaveLength(4);
    expect(onMid.knows.idsToAnnounce(now + 1)).toEqual(ids);
    expect(onMid.knows.idsToAnnounce(now + slotMs).filter((id) => ids.includes(id))).toEqual([]);
  });
});

describe('the records of an announcement', () => {
  it("pass over what is none, and the most of a stranger's", () => {
    const id = randomId();
    const junk = ['', '=', '0', 'a=b', `0=${id.slice(1)}`, `00=${id}`, `0=${id}!`, `path=${id}`];
    expect(parseIdRecords(junk)).toEqual([]);
    const flood = Array.from({ length: 1_000 }, () => `1=${id}`);
    expect(parseIdRecords(flood).length).toBeLessThan(200);
  });

  it('carry any number of identifiers, each string as long as DNS allows, in an order that says nothing', () => {
    const ids = Array.from({ length: 40 }, randomId);
    const records = formatIdRecords(ids);
    expect(parseIdRecords(records)).toEqual([...ids].sort());
    for (const record of records) expect(Buffer.byteLength(record)).toBeLessThanOrEqual(255);
  });
});
