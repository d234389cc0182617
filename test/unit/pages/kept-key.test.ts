import { describe, expect, it } from 'vitest';
import { keptMemoryKey, Sealing, unseal } from '../../../host-plugins/pages/kept/seal.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';

describe('the key of kept memory', () => {
  it('is another one on another device, and opens nothing there', async () => {
    const [one, other] = [await generateIdentity('pad'), await generateIdentity('pad')];
    const sealed = new Sealing(keptMemoryKey(one.privateKeyPem)).seal([Buffer.from('memory')], 'image');
    expect(() => unseal(keptMemoryKey(other.privateKeyPem), sealed, 'image')).toThrow(
      expect.objectContaining({ kind: 'untrusted' }),
    );
    expect(unseal(keptMemoryKey(one.privateKeyPem), sealed, 'image').toString()).toBe('memory');
  });

  it('opens what it sealed for nothing else', async () => {
    const key = keptMemoryKey((await generateIdentity('pad')).privateKeyPem);
    const sealed = new Sealing(key).seal([Buffer.from('memory')], 'image of one');
    expect(() => unseal(key, sealed, 'image of another')).toThrow(
      expect.objectContaining({ kind: 'untrusted' }),
    );
  });
});
