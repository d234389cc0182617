import { z } from 'zod';
import { NetworkMode, PortForward, PortName, PowerProfile } from '../../protocol/allocation.ts';
import { DeviceClass } from '../../protocol/host-profile.ts';
import { duration, Share, ShareOrSize, Size } from './quantities.ts';
import { Triggers } from './trigger-section.ts';

/** The policy language as written in a file; docs/policies.md is the same for people. */

const CpuCount = z
  .int({ error: 'expected a number of CPUs' })
  .min(1, 'expected at least 1 CPU')
  .max(1024, 'expected at most 1024 CPUs');

/** A bound with a mistake of its own comes as it stands in the file. */
const inOrder = ({ min, max }: { min?: number | undefined; max?: number | undefined }) =>
  typeof min !== 'number' || typeof max !== 'number' || min <= max;
const bounds = { error: 'min is more than max', path: ['min'] };

const Vcpus = z
  .strictObject({
    share: Share.optional().describe("Share of the host's logical CPUs, e.g. 75%."),
    leave: z
      .int({ error: 'expected a number of CPUs' })
      .min(0, 'expected 0 or more CPUs')
      .max(1024, 'expected at most 1024 CPUs')
      .optional()
      .describe('Logical CPUs that the host keeps for itself.'),
    min: CpuCount.optional().describe('At least so many, where the host has them.'),
    max: CpuCount.optional().describe('At most so many.'),
  })
  .refine(inOrder, bounds);

const Memory = z
  .strictObject({
    share: Share.optional().describe("Share of the host's memory, e.g. 60%."),
    leave: ShareOrSize.optional().describe('Memory that the host keeps for itself, e.g. 15% or 1 GiB.'),
    min: Size.optional().describe('At least so much, where the host has it, e.g. 512 MiB.'),
    max: Size.optional().describe('At most so much, e.g. 16 GiB.'),
  })
  .refine(inOrder, bounds);

const DisplayUse = z.enum(['largest', 'internal', 'external', 'none']);
export type DisplayUse = z.output<typeof DisplayUse>;

const scaleRange = 'expected auto or a factor from 0.5 to 4';
const DisplayScale = z
  .union([z.literal('auto'), z.number().min(0.5, scaleRange).max(4, scaleRange)], {
    error: scaleRange,
  })
  .describe('auto, or a factor from 0.5 to 4.');

const LinkKind = z.enum(['ethernet', 'wifi']);

const noDoubles = <T>(list: readonly T[]) => new Set(list).size === list.length;
/** `tcp/8080` of `tcp/8080:80`. */
const hostPort = (forward: string) => forward.split(':')[0];
const once = { error: 'expected each value once' };

/** systemd freezes what has a control group; a timer, socket or mount has none that runs. */
const UnitName = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9:_.\\@-]+\.(?:service|scope|slice)$/,
    'expected the name of a systemd service, scope or slice, such as packagekit.service',
  );

const MountPoint = z
  .string()
  .max(4096)
  .regex(
    /^\/(?!.*\/\.{0,2}(?:\/|$))./,
    'expected a mount point such as /home/me/private, with no slash at its end',
  );

const Automatic = z.enum(['auto', 'always', 'never']);

/** The longest time that the agent lets applications delay a move (agent-channel.ts, prepare-move). */
const maxMoveDelayMs = 60_000;

/** A week: nobody comes back to a connection after that. */
const maxAnchorMs = 7 * 24 * 60 * 60_000;

const sections = {
  vcpus: Vcpus.optional().describe('Processors of the workspace.'),
  memory: Memory.optional().describe('Memory of the workspace.'),
  display: z
    .strictObject({
      use: DisplayUse.optional().describe('The display of the host that shows the workspace.'),
      scale: DisplayScale.optional(),
    })
    .optional()
    .describe('The screen of the workspace.'),
  network: z
    .strictObject({
      prefer: z
        .array(NetworkMode)
        .min(1)
        .refine(noDoubles, once)
        .optional()
        .describe('Ways to connect, best first; the first one that works on the host is taken.'),
      links: z
        .array(LinkKind)
        .min(1)
        .refine(noDoubles, once)
        .optional()
        .describe('Kinds of links, best first; a kind that is not named is not used.'),
      bridge: z
        .enum(['make', 'existing'])
        .optional()
        .describe(
          'Whether the host makes a bridge over a wired interface that is in none, or uses existing ones only and gives the workspace a port of its own elsewhere.',
        ),
      metered: Automatic.optional().describe('Whether the workspace believes that it pays by volume.'),
      anchor: z
        .enum(['always', 'never'])
        .optional()
        .describe(
          'Whether this device keeps the addresses of its network alive for a workspace that leaves it for another network.',
        ),
      anchorFor: duration(maxAnchorMs).optional().describe('How long it does so at most, at most 168 h.'),
      reach: z
        .enum(['everything', 'internet'])
        .optional()
        .describe(
          'What the workspace reaches through the host: everything, or nothing of the LAN (always behind NAT then).',
        ),
      open: z
        .array(PortName)
        .refine(noDoubles, once)
        .optional()
        .describe(
          'Ports of the host that the workspace may reach, e.g. tcp/22; all others are closed to it.',
        ),
      forward: z
        .array(PortForward)
        .refine((list) => noDoubles(list.map(hostPort)), 'expected each port of the device once')
        .optional()
        .describe(
          'Ports of the host that lead to the workspace where it is behind NAT: tcp/8080:80 is port 8080 of the host and port 80 of the workspace.',
        ),
    })
    .optional()
    .describe('The network of the workspace.'),
  services: z
    .strictObject({
      sleep: z.array(UnitName).optional().describe('systemd units of the guest that are frozen here.'),
      awake: z.array(UnitName).optional().describe('Units that an earlier rule froze and that run here.'),
    })
    .optional()
    .describe('Services of the guest.'),
  power: z
    .strictObject({
      mains: PowerProfile.optional().describe('Power profile of the guest while the host is on mains.'),
      battery: PowerProfile.optional().describe('Power profile of the guest while the host is on battery.'),
    })
    .optional()
    .describe('How the guest balances speed and energy.'),
  input: z
    .strictObject({
      onScreenKeyboard: Automatic.optional().describe('auto: where there is touch and no keyboard.'),
    })
    .optional()
    .describe('How the workspace is used.'),
  kiosk: z
    .strictObject({
      lock: z
        .enum(['always', 'never'])
        .optional()
        .describe("Whether the workspace's sessions and keyrings are locked before it goes to a kiosk."),
      unmount: z
        .array(MountPoint)
        .refine(noDoubles, once)
        .optional()
        .describe(
          'Mount points of the guest that are taken away before it goes to a kiosk, e.g. /home/me/private.',
        ),
    })
    .optional()
    .describe(
      'What the workspace does before it goes to a device that is trusted as a kiosk; in its own policy only.',
    ),
  move: z
    .strictObject({
      maxDelay: duration(maxMoveDelayMs)
        .optional()
        .describe('How long applications may delay a move to this device, at most 60 s.'),
      headroom: ShareOrSize.optional().describe(
        'Memory that stays free in the guest after it was made smaller for this device: a share of the new size, or a size.',
      ),
      trimCache: Automatic.optional().describe(
        'Whether the guest drops pages of files that it has not used lately before it moves to this device; auto: where sending them would take long.',
      ),
      keepCache: Size.optional().describe('Page cache that the guest keeps in any case, e.g. 64 MiB.'),
    })
    .optional()
    .describe('Moves to this device.'),
  triggers: Triggers.optional().describe('Docking and undocking without a command.'),
};

const oneOrMore = <T extends z.ZodType<string>>(item: T) =>
  z
    .union([item, z.array(item).min(1)])
    .transform((value): z.output<T>[] => (Array.isArray(value) ? value : [value]));

const Condition = z
  .strictObject({
    power: z.enum(['mains', 'battery']).optional().describe('What feeds the host.'),
    batteryBelow: Share.optional().describe('The battery is known to hold less than this.'),
    display: oneOrMore(z.enum(['none', 'internal', 'external']))
      .optional()
      .describe('external: at least one external display; internal: only built-in ones; none: no display.'),
    link: oneOrMore(z.enum(['none', 'wifi', 'ethernet']))
      .optional()
      .describe('ethernet: at least one wired link; wifi: only Wi-Fi; none: no link.'),
    metered: z.boolean().optional().describe('Every link of the host is paid by volume.'),
    class: oneOrMore(DeviceClass).optional().describe('The class of the device.'),
    device: oneOrMore(z.string().min(1)).optional().describe('The name of the device.'),
    trust: z
      .enum(['trusted', 'untrusted'])
      .optional()
      .describe('Whether the device is trusted; a kiosk never is.'),
  })
  .refine((condition) => Object.keys(condition).length > 0, {
    error: 'expected at least one condition; settings that always hold stand outside of "when"',
    // Not for a mapping whose only key is misspelt: it has a condition, and its mistake is told already.
    when: ({ issues }) => issues.length === 0,
  });
export type Condition = z.output<typeof Condition>;

export const PolicyDocument = z.strictObject({
  version: z
    .literal(1, { error: 'expected 1, the version of the policy language' })
    .describe('Version of the policy language.'),
  description: z.string().optional().describe('What this policy is for, in words.'),
  ...sections,
  when: z
    .array(z.strictObject({ if: Condition.describe('All of these hold.'), ...sections }))
    .optional()
    .describe('Settings for certain conditions, in order; a later one wins.'),
});
export type PolicyDocument = z.output<typeof PolicyDocument>;

export type SectionName = keyof typeof sections;
export const sectionNames = Object.keys(sections) as readonly SectionName[];
export type Sections = { [S in SectionName]?: PolicyDocument[S] };
