import type { GuestState } from '../protocol/guest-state.ts';

/** What `wdock-agent status` shows. */
export interface AgentView {
  readonly host: { name: string; deviceClass: string; simulated: boolean; epoch: number };
  readonly moving: boolean;
  readonly inhibitors: readonly string[];
  readonly guest: GuestState;
}

/** A few lines for people. */
export function renderStatus({ host, moving, inhibitors, guest }: AgentView): string {
  const { vcpus, memory, display, network } = guest;
  const rows: [string, string][] = [
    ['host', describeHost(host) + (moving ? ', a move is being prepared' : '')],
    ['vCPUs', `${vcpus.online} online${vcpus.present > vcpus.online ? `, ${vcpus.present} plugged` : ''}`],
    ['memory', `${Math.round(memory.totalMiB)} MiB, ${Math.round(memory.availableMiB)} MiB available`],
    ['largest', memory.largest.map((one) => `${one.name} ${Math.round(one.residentMiB)} MiB`).join(', ')],
    ['display', display === undefined ? 'unknown' : describeDisplay(display)],
    ['network', describeNetwork(network)],
    ['asleep', guest.frozenServices.join(', ') || 'nothing'],
  ];
  if (inhibitors.length > 0) rows.push(['delays', inhibitors.join(', ')]);
  for (const note of guest.notes) rows.push(['note', note]);
  return rows.map(([name, text]) => `${name.padEnd(9)}${text}`).join('\n');
}

function describeHost(host: AgentView['host']): string {
  if (host.name === '') return 'none has spoken yet';
  return `${host.name} (${host.deviceClass}${host.simulated ? ', simulated' : ''}), epoch ${host.epoch}`;
}

function describeDisplay(display: NonNullable<GuestState['display']>): string {
  const { connector, widthPx, heightPx, scale, widthMm, heightMm } = display;
  const size = widthMm === undefined ? '' : `, ${widthMm} x ${heightMm} mm`;
  return `${connector} ${widthPx}x${heightPx} at scale ${Math.round(scale * 100) / 100}${size}`;
}

function describeNetwork(network: GuestState['network']): string {
  const parts = [network.interface ?? 'no interface', network.addresses.join(', ') || 'no address'];
  if (network.gateway !== undefined) parts.push(`gateway ${network.gateway}`);
  parts.push(network.mode ?? 'mode unknown');
  return parts.join(', ');
}
