import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  chooseForPeer,
  type PeerChooserParts,
  requireAllowed,
} from '../../../host-plugins/pipeline/choose-for-peer.ts';
import type { TrustLevel } from '../../../protocol/trust-level.ts';
import { officePc, smallMachine } from '../policies/example-hosts.ts';

const never = new AbortController().signal;
const peer = 'a'.repeat(64);
const wish = {
  workspace: 'work',
  contract: smallMachine,
  policy: { text: 'version: 1\nvcpus: { max: 64 }\nnetwork: { open: [tcp/22] }\n', file: 'work.yaml' },
};

/** An office PC whose own policy gives two processors, and a device that it trusts so far. */
async function office(trust: TrustLevel, home?: { policy: string }) {
  const folder = await mkdtemp(join(tmpdir(), 'wdock-office-'));
  await writeFile(join(folder, 'desktop.yaml'), 'version: 1\nvcpus: { max: 2 }\n');
  await writeFile(join(folder, 'kept.yaml'), home?.policy ?? '');
  const known = { isHome: true, record: { contract: smallMachine, policy: join(folder, 'kept.yaml') } };
  const parts = {
    chooser: { policyFolders: [folder], deviceName: 'office', discoverHost: async () => officePc },
    workspaces: { find: () => (home === undefined ? undefined : known) },
    trust: { byId: () => ({ trust }) },
  } as unknown as PeerChooserParts;
  return { parts, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

describe('a device that brings a workspace', () => {
  it.each(['known', 'kiosk'] as const)(
    'gets by the policy of that no more, where it is %s',
    async (level) => {
      await using at = await office(level);
      const { allocation } = await chooseForPeer(at.parts, peer, wish, never);
      expect(allocation.vcpus).toBe(2);
      expect(allocation.network.open).toBeUndefined();
    },
  );

  it('is believed where it is owned', async () => {
    await using at = await office('owned');
    const { allocation } = await chooseForPeer(at.parts, peer, wish, never);
    expect(allocation).toMatchObject({ vcpus: 4, network: { open: ['tcp/22'] } });
    await requireAllowed(at.parts, peer, { ...wish, allocation }, never);
  });

  it('is refused when it names more than it was given', async () => {
    await using at = await office('known');
    const { allocation } = await chooseForPeer(at.parts, peer, wish, never);
    await requireAllowed(at.parts, peer, { ...wish, allocation }, never);
    const network = { ...allocation.network, open: ['tcp/22'] };
    await expect(
      requireAllowed(at.parts, peer, { ...wish, allocation: { ...allocation, vcpus: 3, network } }, never),
    ).rejects.toMatchObject({
      kind: 'peer-refused',
      detail: { more: ['3 vCPUs of 2', 'the open port tcp/22'] },
    });
  });

  it('is refused as a kiosk, when the workspace is not at home here', async () => {
    await using at = await office('kiosk');
    const { allocation } = await chooseForPeer(at.parts, peer, wish, never);
    await expect(requireAllowed(at.parts, peer, { ...wish, allocation }, never)).rejects.toMatchObject({
      kind: 'peer-refused',
      message: expect.stringContaining('trusted as a kiosk'),
    });
  });

  it('brings one home to the policy that it has there, whatever it says that it is', async () => {
    await using at = await office('kiosk', { policy: 'version: 1\nnetwork: { open: [udp/53] }\n' });
    const { allocation } = await chooseForPeer(at.parts, peer, wish, never);
    expect(allocation.network.open).toEqual(['udp/53']);
    await requireAllowed(at.parts, peer, { ...wish, allocation }, never);
  });

  it('has one that leaves nothing behind treated as on a device that is not trusted', async () => {
    await using at = await office('owned');
    const text = 'version: 1\nwhen:\n  - if: { trust: untrusted }\n    network: { prefer: [nat] }\n';
    const guarded = { ...wish, policy: { text, file: 'work.yaml' } };
    const mode = async (more: { keepNothing?: true }) =>
      (await chooseForPeer(at.parts, peer, { ...guarded, ...more }, never)).allocation.network.mode;
    expect(await mode({})).toBe('bridged');
    expect(await mode({ keepNothing: true })).toBe('nat');
  });
});
