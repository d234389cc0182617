import { describe, expect, it } from 'vitest';
import { exceeding, limitToOwner } from '../../../host-plugins/visit/judge-allowance.ts';
import { choose } from '../../../policies/choose/choose.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { officePc, smallMachine } from '../policies/example-hosts.ts';

const layer = (text: string) => parsePolicy(`version: 1\n${text}`, 'p.yaml');

/** What the owner's policy gives, and what comes of it for a workspace of somebody else that has a policy of its own. */
function visit(owner: string, workspace: string) {
  const own = choose([layer(owner)], officePc, smallMachine);
  const wished = choose([layer(owner), layer(workspace)], officePc, smallMachine);
  return { own, wished, given: limitToOwner(own, wished) };
}

describe("somebody else's workspace", () => {
  it('gets no processors, memory, ports or nearer network by a policy of its own', () => {
    const { own, wished, given } = visit(
      'vcpus: { max: 2 }\nmemory: { max: 1 GiB }\nnetwork: { prefer: [nat], reach: internet, open: [tcp/53], forward: [tcp/80] }\n',
      'vcpus: { max: 64 }\nmemory: { max: 8 GiB }\nnetwork: { prefer: [bridged], reach: everything, open: [tcp/53, tcp/22], forward: [tcp/80, tcp/443], anchor: always }\n',
    );
    expect(wished.allocation).toMatchObject({ vcpus: 4, network: { mode: 'bridged' } });
    expect(given.allocation.vcpus).toBe(2);
    expect(given.allocation.memoryMiB).toBe(1024);
    expect(given.allocation.network).toEqual({
      ...own.allocation.network,
      open: ['tcp/53'],
      forward: ['tcp/80'],
    });
    expect(
      given.decisions.filter(({ rule }) => rule === "the device's owner").map(({ value }) => value),
    ).toEqual([
      '4 vCPUs of 2',
      expect.stringMatching(/^\d+ of 1024 MiB$/),
      'bridged on eth0 instead of nat on eth0',
      'the LAN, which is closed to it',
      'the open port tcp/22',
      'the forwarded port tcp/443',
    ]);
  });

  it('may want less, and be kept further out of the LAN', () => {
    const { wished, given } = visit(
      'network: { prefer: [bridged], open: [tcp/22] }\n',
      'vcpus: { max: 1 }\nmemory: { max: 768 MiB }\nnetwork: { prefer: [nat], reach: internet, open: [], anchor: never }\n',
    );
    expect(given.allocation).toEqual(wished.allocation);
    expect(given.allocation.network).toMatchObject({ mode: 'nat', reach: 'internet' });
    expect(given.anchor.use).toBe('never');
  });

  it('has what only concerns itself as it wants it', () => {
    const { given } = visit('', 'services: { sleep: [backup.service] }\npower: { mains: power-saver }\n');
    expect(given.allocation).toMatchObject({
      services: { sleep: ['backup.service'] },
      power: { profile: 'power-saver' },
    });
  });

  it('leaves no addresses behind on a device that keeps none', () => {
    const { given } = visit('network: { anchor: never }\n', 'network: { anchor: always }\n');
    expect(given.anchor.use).toBe('never');
  });
});

describe('an allocation that a device names', () => {
  const { allocation } = choose([layer('')], officePc, smallMachine);

  it('is not more than itself', () => {
    expect(exceeding(allocation, allocation)).toEqual([]);
  });

  it('is more with another link of the host, in the same way', () => {
    const network = { ...allocation.network, link: 'eth1' };
    expect(exceeding({ ...allocation, network }, allocation)).toEqual([
      'bridged on eth1 instead of bridged on eth0',
    ]);
  });
});
