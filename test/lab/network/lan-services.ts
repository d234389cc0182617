import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';
import { labAddresses, leaseRange } from './address-plan.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** The LAN's DHCP server. It knows the workspace by its card and always gives it the same address. */
export class LanServices implements AsyncDisposable {
  readonly #server: ReturnType<NetworkNamespace['spawn']>;
  readonly #leaseFile: string;

  private constructor(server: ReturnType<NetworkNamespace['spawn']>, leaseFile: string) {
    this.#server = server;
    this.#leaseFile = leaseFile;
  }

  static async start(
    lan: NetworkNamespace,
    device: string,
    workspaceMac: string,
    leaseFile: string,
  ): Promise<LanServices> {
    const server = lan.spawn(dhcpServerArguments(device, workspaceMac, leaseFile), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const lines: string[] = [];
    const log = createInterface(server.stderr as NonNullable<typeof server.stderr>);
    const ready = new Promise<boolean>((resolve) => {
      log.on('line', (line) => {
        if (lines.length < 20) lines.push(line);
        if (line.includes('DHCP, IP range')) resolve(true);
      });
    });
    const ended = once(server, 'close').then(() => false);
    ended.catch(() => undefined);
    if (await Promise.race([ready, ended])) return new LanServices(server, leaseFile);
    throw new DockError('io', `the lab's DHCP server did not start: ${lines.join('; ')}`);
  }

  /** Address by card of all leases given out. */
  async leases(): Promise<Map<string, string>> {
    const text = await readFile(this.#leaseFile, 'utf8').catch(() => '');
    const leases = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [, mac, address] = line.split(' ');
      if (mac && address) leases.set(mac, address);
    }
    return leases;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      const ended = once(this.#server, 'close');
      this.#server.kill('SIGKILL');
      await ended;
    }
  }
}

function dhcpServerArguments(device: string, workspaceMac: string, leaseFile: string): string[] {
  return [
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--log-facility=-',
    // Nobody else to become: an unprivileged user namespace has one user and one group.
    '--user=root',
    '--group=',
    '--pid-file=',
    '--port=0', // no DNS
    `--interface=${device}`,
    '--bind-interfaces',
    '--dhcp-authoritative', // a guest restored from a file comes with a lease this server never gave
    '--no-ping',
    `--dhcp-leasefile=${leaseFile}`,
    `--dhcp-range=${leaseRange.first},${leaseRange.last},infinite`,
    // The guest's clock stands still while it is saved; a lease without an end cannot run out meanwhile.
    `--dhcp-host=${workspaceMac},${labAddresses.workspace},workspace,infinite`,
    `--dhcp-option=option:router,${labAddresses.router}`,
  ];
}
