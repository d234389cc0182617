import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { choose } from '../../../policies/choose/choose.ts';
import { type Policy, parsePolicy } from '../../../policies/language/parse-policy.ts';
import type { Fault } from '../../../policies/positioned-yaml/fault.ts';
import { Allocation } from '../../../protocol/allocation.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { smallMachine } from './example-hosts.ts';
import { hostProfiles, machineContracts, policyValues } from './policy-arbitraries.ts';

const policyTexts = fc
  .tuple(policyValues, fc.boolean())
  .map(([values, flow]) => stringify(values, { collectionStyle: flow ? 'flow' : 'any', lineWidth: 60 }));

/** The faults of a text that is refused; undefined where it is accepted. Anything else thrown is a defect. */
function faultsOf(text: string): Fault[] | undefined {
  try {
    parsePolicy(text, 'p.yaml');
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof DockError) || thrown.kind !== 'config-invalid') throw thrown;
    const { faults } = thrown.detail as { faults: Fault[] };
    return faults;
  }
}

describe('any text', () => {
  const expectPlaces = (text: string) => {
    const lines = text.split(/\r\n|\r|\n/);
    for (const fault of faultsOf(text) ?? []) {
      expect(fault.file).toBe('p.yaml');
      expect(fault.message).not.toBe('');
      expect(fault.line).toBeGreaterThanOrEqual(1);
      expect(fault.line).toBeLessThanOrEqual(lines.length);
      expect(fault.column).toBeGreaterThanOrEqual(1);
      expect(fault.column).toBeLessThanOrEqual(text.length + 1);
    }
    expect(faultsOf(text)).not.toEqual([]);
  };

  it('is accepted, or refused with places inside the file', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), expectPlaces), {
      numRuns: 500,
    });
  });

  it('that was a policy before a slip of the hand, too', () => {
    const slips = fc.tuple(policyTexts, fc.nat(), fc.nat({ max: 4 }), fc.string({ maxLength: 4 }));
    fc.assert(
      fc.property(slips, ([text, place, removed, added]) => {
        const at = place % (text.length + 1);
        expectPlaces(text.slice(0, at) + added + text.slice(at + removed));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a key with a letter too many', () => {
  it('is found where it stands, in any policy', () => {
    fc.assert(
      fc.property(policyTexts, fc.nat(), (text, pick) => {
        const keys = [...text.matchAll(/\b(?:share|leave|prefer|scale|maxDelay|sleep)(?=:)/g)];
        fc.pre(keys.length > 0);
        const key = keys[pick % keys.length];
        if (key === undefined) return;
        const broken = `${text.slice(0, key.index)}x${text.slice(key.index)}`;
        const before = text.slice(0, key.index).split('\n');
        const found = faultsOf(broken)?.find((fault) => fault.message.includes(`"${key[0]}"`));
        expect(found).toMatchObject({ line: before.length, column: (before.at(-1)?.length ?? 0) + 1 });
      }),
    );
  });
});

describe('any policy on any host for any machine', () => {
  const cases = fc.tuple(fc.array(policyTexts, { maxLength: 3 }), hostProfiles, machineContracts);

  it('gives what host, policy and machine allow, or says that the base memory does not fit', () => {
    let chosen = 0;
    fc.assert(
      fc.property(cases, ([texts, profile, contract]) => {
        const layers = texts.map((text, index) => parsePolicy(text, `layer${index}.yaml`));
        let choice: ReturnType<typeof choose>;
        try {
          choice = choose(layers, profile, contract);
        } catch (thrown) {
          expect(thrown).toMatchObject({ kind: 'does-not-fit' });
          const { neededMiB, offeredMiB, missingMiB } = (thrown as DockError).detail as Record<
            string,
            number
          >;
          expect(neededMiB).toBeGreaterThan(offeredMiB ?? Number.NaN);
          expect(missingMiB).toBe((neededMiB ?? 0) - (offeredMiB ?? 0));
          return;
        }
        chosen++;
        const { allocation, move, decisions } = choice;
        expect(Allocation.parse(allocation)).toEqual(allocation);
        expect(allocation.vcpus).toBeLessThanOrEqual(Math.min(profile.cpus.logical, contract.maxVcpus));
        expect(allocation.memoryMiB % 2).toBe(0);
        expect(allocation.memoryMiB).toBeLessThanOrEqual(profile.memory.totalMiB);
        expect(allocation.memoryMiB).toBeGreaterThanOrEqual(contract.baseMemoryMiB);
        expect(allocation.memoryMiB).toBeLessThanOrEqual(
          contract.baseMemoryMiB + contract.maxPluggedMemoryMiB,
        );
        const { display, network } = allocation;
        if (display !== undefined) {
          const { scale, ...size } = display;
          expect(profile.displays).toContainEqual(expect.objectContaining(size));
        }
        const link = profile.links.find(({ name }) => name === network.link);
        expect(link === undefined).toBe(network.link === undefined);
        if (network.mode === 'bridged') expect(link).toMatchObject({ canBridge: true, bridge: 'br0' });
        expect(move.maxDelayMs).toBeLessThanOrEqual(60_000);
        expect(move.headroomMiB).toBeGreaterThanOrEqual(0);

        const last = (what: string) => decisions.findLast((one) => one.what === what)?.value;
        expect(last('vcpus')).toBe(String(allocation.vcpus));
        expect(last('memory')).toBe(`${allocation.memoryMiB} MiB`);
        expect(last('network.mode')).toBe(network.mode);
        expect(last('power.profile')).toBe(allocation.power.profile);
        for (const { rule } of decisions) {
          const named = /^layer(\d)\.yaml:(\d+) (?:.*\.)?(\w+)(?:\[\d\])?$/.exec(rule);
          if (named === null) {
            expect(['built-in', 'the host', "the workspace's machine"]).toContain(rule);
            continue;
          }
          const line = texts[Number(named[1])]?.split('\n')[Number(named[2]) - 1];
          const name = named[3] ?? '';
          // A unit's rule is the line of the unit itself.
          if (name === 'sleep' || name === 'awake') expect(line).toMatch(/\.(service|scope|slice)/);
          else expect(line).toContain(name === 'when' ? 'if' : name);
        }
      }),
      { numRuns: 500 },
    );
    // Were every case refused, this would prove nothing.
    expect(chosen).toBeGreaterThan(100);
  });

  it('never takes more memory than `leave` leaves', () => {
    fc.assert(
      fc.property(policyTexts, hostProfiles, fc.integer({ min: 0, max: 4096 }), (text, profile, leave) => {
        const layers = [
          parsePolicy(text, 'p.yaml'),
          parsePolicy(`version: 1\nmemory: { leave: ${leave} MiB }`, 'ws.yaml'),
        ];
        const offered = profile.memory.totalMiB - leave;
        if (offered < smallMachine.baseMemoryMiB) {
          expect(() => choose(layers, profile, smallMachine)).toThrow(DockError);
        } else {
          expect(choose(layers, profile, smallMachine).allocation.memoryMiB).toBeLessThanOrEqual(offered);
        }
      }),
    );
  });

  it('is not changed by a condition that does not hold', () => {
    fc.assert(
      fc.property(policyValues, policyValues, hostProfiles, (values, other, profile) => {
        const { when: _, version: __, description: ___, ...settings } = other as Record<string, unknown>;
        const never = {
          version: 1,
          when: [{ if: { device: 'nobody has this name' }, ...settings }],
        };
        const base = parsePolicy(stringify(values), 'p.yaml');
        const extra = parsePolicy(stringify(never), 'never.yaml');
        const outcome = (...layers: Policy[]) => {
          try {
            return choose(layers, profile, smallMachine).allocation;
          } catch (thrown) {
            return DockError.from(thrown).toData();
          }
        };
        expect(outcome(base, extra)).toEqual(outcome(base));
      }),
    );
  });
});
