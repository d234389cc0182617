import { z } from 'zod';
import type {
  AnchorStatus,
  controlMethods,
  DeviceStatus,
  LinkStatus,
  WorkspaceStatus,
} from '../../../protocol/control-methods.ts';
import type { HostProfile } from '../../../protocol/host-profile.ts';
import { formatAge, formatBytes, formatMiB } from './quantities.ts';
import { renderDocking } from './render-docking.ts';
import { renderPresence } from './render-presence.ts';
import { hang, renderFields, renderTable } from './table.ts';

export type Status = z.output<(typeof controlMethods)['status']['result']>;

export const simulatedMark = (simulated: boolean | undefined): string =>
  simulated === true ? ' (simulated)' : '';

/** @param width of the terminal, where there is one: here and below, long lines are wrapped there */
export function renderStatus(status: Status, width?: number): string {
  const { device, profile } = status;
  const others = status.devices.filter(({ self }) => !self);
  return [
    renderFields(
      [
        ['device', `${device.name}, a ${profile.deviceClass}${simulatedMark(profile.simulated)}`],
        ['offers', renderProfile(profile)],
        ['wdockd', status.version],
      ],
      width,
    ),
    '',
    status.workspaces.length === 0
      ? 'No workspaces; make one with `wdock workspace create`.'
      : renderWorkspaces(status.workspaces, width),
    '',
    others.length === 0 ? 'No other devices; pair with one with `wdock pair`.' : renderDevices(others, width),
  ].join('\n');
}

/** `4 CPUs, 8.0 GiB, 2560x1440, ethernet (bridge br0), mains` */
export function renderProfile(profile: HostProfile): string {
  const { cpus, memory, displays, links, power } = profile;
  const parts = [
    cpus.logical === 1 ? '1 CPU' : `${cpus.logical} CPUs`,
    formatMiB(memory.totalMiB),
    ...displays.map(({ widthPx, heightPx }) => `${widthPx}x${heightPx}`),
    ...links.map(({ kind, bridge }) => (bridge === undefined ? kind : `${kind} (bridge ${bridge})`)),
    power.percent === undefined ? power.source : `${power.source} ${Math.round(power.percent)} %`,
  ];
  return parts.join(', ');
}

export function renderWorkspaces(workspaces: readonly WorkspaceStatus[], width?: number): string {
  if (workspaces.length === 0) return 'No workspaces; make one with `wdock workspace create`.';
  const rows = workspaces.map(({ name, state, runsOn, homeDevice, guest }) => [
    name,
    state,
    runsOn ?? '-',
    homeDevice ?? '-',
    guest === undefined ? '-' : renderGuestLine(guest),
  ]);
  const details = workspaces.filter(({ detail }) => detail !== undefined);
  return [
    renderTable(['WORKSPACE', 'STATE', 'RUNS ON', 'HOME', 'GUEST'], rows, width),
    ...details.map(({ name, detail = '' }) => hang(`${name}: `, detail, width)),
    ...workspaces.flatMap(({ name, anchor }) =>
      anchor === undefined ? [] : hang(`${name}: `, renderAnchor(anchor), width),
    ),
  ].join('\n');
}

export function renderGuestLine(guest: NonNullable<WorkspaceStatus['guest']>): string {
  const parts = [`${guest.vcpus} vCPU${guest.vcpus === 1 ? '' : 's'}`, formatMiB(guest.memoryMiB)];
  if (guest.display !== undefined) parts.push(guest.display);
  if (guest.network !== undefined) parts.push(guest.network);
  return parts.join(', ');
}

/** `10.77.0.50 is kept for it by mid, 2 connections` */
function renderAnchor({ role, addresses, device, link, detail, until, connections }: AnchorStatus): string {
  const verb = addresses.length === 1 ? 'is' : 'are';
  const parts = [
    role === 'carries'
      ? `${addresses.join(', ')} ${verb} kept for it by ${device}`
      : `${addresses.join(', ')} ${verb} kept here, and carried to ${device}`,
  ];
  if (connections !== undefined)
    parts.push(connections === 1 ? '1 connection' : `${connections} connections`);
  if (until !== undefined) parts.push(`until ${until} at the latest`);
  if (link === 'connecting') parts.push(`not connected${detail === undefined ? '' : ` (${detail})`}`);
  return parts.join(', ');
}

export function renderDevices(devices: readonly DeviceStatus[], width?: number): string {
  const measured = devices.some(({ presence }) => presence !== undefined);
  const table = renderTable(
    ['DEVICE', 'CLASS', 'TRUST', 'ADDRESS', ...(measured ? ['NEARNESS'] : []), 'STATE'],
    devices.map((device) => [
      device.name,
      `${device.deviceClass ?? 'not known yet'}${simulatedMark(device.simulated)}`,
      device.trust ?? '-',
      device.address ?? '-',
      ...(measured ? [device.presence?.state ?? '-'] : []),
      device.self ? 'this device' : device.reachable ? 'reachable' : 'not reachable',
    ]),
  );
  const lines = devices.flatMap(({ name, presence, links = [] }) => [
    ...links.map((link) => hang(`${name}: `, renderLink(link), width)),
    ...(presence === undefined ? [] : [hang('', renderPresence(presence), width)]),
  ]);
  return lines.length === 0 ? table : [table, '', ...lines].join('\n');
}

/** `linked from 10.77.0.10 to 10.77.0.11, answers within 3 ms, has carried 84.1 MB from here` */
function renderLink({ local, remote, roundTripMs, carriedBytes }: LinkStatus): string {
  const parts = [`linked from ${local} to ${remote}`];
  if (roundTripMs !== undefined) parts.push(`answers within ${Math.ceil(roundTripMs)} ms`);
  parts.push(`has carried ${formatBytes(carriedBytes)} from here`);
  return parts.join(', ');
}

/** So much of the journal fits a screen, and is more than the last trip there and back. */
const shownEntries = 12;

type Shown = z.output<(typeof controlMethods)['workspace.show']['result']>;
const RecordWithCpu = z.object({ contract: z.object({ cpuModel: z.string() }) });

/** Everything about one workspace, where it can dock, and the end of its hand-over journal. */
export function renderWorkspace(
  { status, record, journal, docking = [], keptMemory }: Shown,
  width?: number,
  now = Date.now(),
): string {
  const fields: [string, string][] = [
    ['workspace', status.name],
    ['state', status.detail === undefined ? status.state : `${status.state}: ${status.detail}`],
    ['runs on', status.runsOn ?? '-'],
    ['home', status.homeDevice ?? '-'],
    ['epoch', String(status.epoch ?? '-')],
    ['guest', status.guest === undefined ? 'not read' : renderGuestLine(status.guest)],
  ];
  if (status.anchor !== undefined) fields.push(['anchor', renderAnchor(status.anchor)]);
  if (status.guest !== undefined) fields.push(['agent', status.guest.agentVersion]);
  const cpuModel = RecordWithCpu.safeParse(record).data?.contract.cpuModel;
  if (cpuModel !== undefined) fields.push(['CPU model', cpuModel]);
  if (keptMemory !== undefined) {
    const { bytes, at } = keptMemory;
    const age = at === undefined ? 'what other devices keep of it' : `of ${formatAge(now - at)} ago`;
    fields.push(['kept memory', `${formatBytes(bytes)}, ${age}`]);
  }
  const places = docking.flatMap((each) => renderDocking(each, width));
  const earlier = Math.max(0, journal.length - shownEntries);
  const heading = `hand-over journal${earlier === 0 ? '' : ` (${earlier} earlier entries with --json)`}:`;
  const tail =
    journal.length === 0 ? [] : ['', heading, ...journal.slice(earlier).map((line) => `  ${line}`)];
  return [renderFields(fields, width), ...(places.length === 0 ? [] : ['', ...places]), ...tail].join('\n');
}
