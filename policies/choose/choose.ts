import type { Allocation, PowerProfile } from '../../protocol/allocation.ts';
import type { Decision } from '../../protocol/control-methods.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import type { Policy } from '../language/parse-policy.ts';
import { durationText, shareOrSizeMiB } from '../language/quantities.ts';
import { chooseDisplay } from './choose-display.ts';
import { chooseMemory } from './choose-memory.ts';
import { chooseNetwork } from './choose-network.ts';
import { chooseVcpus } from './choose-vcpus.ts';
import { combineLayers } from './combine-layers.ts';
import type { ChoiceContext } from './host-conditions.ts';
import type { Settings } from './settings.ts';

/** How a move to this host goes about it. */
export interface MoveChoice {
  /** How long applications may delay the move; 0 to 60,000. */
  readonly maxDelayMs: number;
  /** Memory that has to stay available in the guest after it was made smaller for this host. */
  readonly headroomMiB: number;
  /** Whether the guest drops cold page cache before it moves to this host. */
  readonly trimCache: 'auto' | 'always' | 'never';
  /** Page cache that it keeps in any case. */
  readonly keepCacheMiB: number;
}

/** Whether this host keeps the guest's addresses alive when it leaves for another network, and how long at most. */
export interface AnchorChoice {
  readonly use: 'always' | 'never';
  readonly forMs: number;
  readonly rule: string;
}

export interface Choice {
  readonly allocation: Allocation;
  readonly move: MoveChoice;
  readonly anchor: AnchorChoice;
  /** Every decision in order; the last one about a thing is what the allocation says. */
  readonly decisions: Decision[];
}

/**
 * Decides what a workspace gets on a host (docs/architecture.md). `layers` come weakest first: device class, device,
 * workspace. Never gives more than the host has, the policy leaves and the machine contract allows; every step
 * away from the policy's wish is a decision with its reason. Throws `does-not-fit` where the machine's base memory
 * is more than the host can give.
 */
export function choose(
  layers: readonly Policy[],
  profile: HostProfile,
  contract: MachineContract,
  context: ChoiceContext = {},
): Choice {
  const { settings, decisions: conditions } = combineLayers(layers, profile, context);
  const { vcpus, decisions: aboutVcpus } = chooseVcpus(settings.vcpus, profile, contract);
  const { memoryMiB, decisions: aboutMemory } = chooseMemory(settings.memory, profile, contract);
  const { display, decisions: aboutDisplay } = chooseDisplay(settings.display, profile);
  const { network, decisions: aboutNetwork } = chooseNetwork(settings.network, profile);
  const { sleep, decisions: aboutServices } = chooseServices(settings.services);
  const power = choosePower(settings.power, profile);
  const keyboard = chooseKeyboard(settings.input, profile);
  const { anchor, decision: aboutAnchor } = chooseAnchor(settings.network);
  const { move, decisions: aboutMove } = chooseMove(settings.move, memoryMiB);
  return {
    allocation: {
      vcpus,
      memoryMiB,
      ...(display === undefined ? {} : { display }),
      network,
      services: { sleep },
      power: { profile: power.profile },
      input: { onScreenKeyboard: keyboard.shown },
    },
    move,
    anchor,
    decisions: [
      ...conditions,
      ...aboutVcpus,
      ...aboutMemory,
      ...aboutDisplay,
      ...aboutNetwork,
      aboutAnchor,
      ...aboutServices,
      power.decision,
      keyboard.decision,
      ...aboutMove,
    ],
  };
}

function chooseAnchor({ anchor, anchorFor }: Settings['network']): {
  anchor: AnchorChoice;
  decision: Decision;
} {
  const { value: use, rule } = anchor;
  const because =
    use === 'always'
      ? `connections stay open for at most ${durationText(anchorFor.value)} after it has left for another network`
      : 'connections end when it leaves for another network';
  const decision = { what: 'network.anchor', value: use, rule, because };
  return { anchor: { use, forMs: anchorFor.value, rule }, decision };
}

function chooseServices(units: Settings['services']): { sleep: string[]; decisions: Decision[] } {
  const sleep: string[] = [];
  const decisions: Decision[] = [];
  for (const [unit, { value, rule }] of units) {
    if (value === 'sleep') sleep.push(unit);
    const because = value === 'sleep' ? 'frozen on this device' : 'runs on this device';
    decisions.push({ what: `services.${value}`, value: unit, rule, because });
  }
  return { sleep, decisions };
}

function choosePower(
  power: Settings['power'],
  profile: HostProfile,
): { profile: PowerProfile; decision: Decision } {
  const { source, percent } = profile.power;
  const { value, rule } = power[source];
  const charge = percent === undefined ? '' : ` at ${percent}%`;
  const because = `the host is on ${source}${source === 'battery' ? charge : ''}`;
  return { profile: value, decision: { what: 'power.profile', value, rule, because } };
}

function chooseKeyboard(
  { onScreenKeyboard }: Settings['input'],
  { input }: HostProfile,
): { shown: boolean; decision: Decision } {
  const { value, rule } = onScreenKeyboard;
  const shown = value === 'auto' ? input.touch && !input.keyboard : value === 'always';
  const facts = `${input.touch ? 'touch' : 'no touch'} and ${input.keyboard ? 'a' : 'no'} keyboard`;
  const because = value === 'auto' ? `the host has ${facts}` : 'as written';
  const decision = { what: 'input.onScreenKeyboard', value: shown ? 'yes' : 'no', rule, because };
  return { shown, decision };
}

function chooseMove(
  { maxDelay, headroom, trimCache, keepCache }: Settings['move'],
  memoryMiB: number,
): { move: MoveChoice; decisions: Decision[] } {
  const wish = headroom.value;
  const headroomMiB = shareOrSizeMiB(wish, memoryMiB);
  return {
    move: {
      maxDelayMs: maxDelay.value,
      headroomMiB,
      trimCache: trimCache.value,
      keepCacheMiB: keepCache.value,
    },
    decisions: [
      {
        what: 'move.maxDelay',
        value: durationText(maxDelay.value),
        rule: maxDelay.rule,
        because: 'applications may delay the move so long',
      },
      {
        what: 'move.headroom',
        value: `${headroomMiB} MiB`,
        rule: headroom.rule,
        because:
          'share' in wish
            ? `${wish.share}% of ${memoryMiB} MiB stay free when the guest shrinks`
            : 'stays free when the guest shrinks',
      },
      {
        what: 'move.trimCache',
        value: trimCache.value,
        rule: trimCache.rule,
        because: trimReasons[trimCache.value],
      },
      ...(trimCache.value === 'never'
        ? []
        : [
            {
              what: 'move.keepCache',
              value: `${keepCache.value} MiB`,
              rule: keepCache.rule,
              because: 'of its page cache the guest keeps so much',
            },
          ]),
    ],
  };
}

const trimReasons: Record<MoveChoice['trimCache'], string> = {
  auto: 'cold page cache is dropped where sending it would take long',
  always: 'page cache is dropped before the move, cold pages first',
  never: 'all page cache travels',
};
