import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';
import { type LanPlan, lanPrefixLength6 } from './address-plan.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** What every LAN's DNS knows under this name: its own router, so that a guest's resolver tells on which LAN it is. */
export const gatewayName = 'gateway.test';

/**
 * What a LAN's router serves: DHCP, DHCPv6, router advertisements and DNS. It knows the workspace by its card and always
 * gives it the same addresses.
 */
export class LanServices implements AsyncDisposable {
  readonly #server: ReturnType<NetworkNamespace['spawn']>;
  readonly #leaseFile: string;

  private constructor(server: ReturnType<NetworkNamespace['spawn']>, leaseFile: string) {
    this.#server = server;
    this.#leaseFile = leaseFile;
  }

  static async start(
    router: NetworkNamespace,
    lan: LanPlan,
    workspaceMac: string,
    leaseFile: string,
  ): Promise<LanServices> {
    const server = router.spawn(serverArguments(lan, workspaceMac, leaseFile), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const lines: string[] = [];
    const log = createInterface(server.stderr as NonNullable<typeof server.stderr>);
    const ready = new Promise<boolean>((resolve) => {
      log.on('line', (line) => {
        if (lines.length < 20) lines.push(line);
        if (line.includes('IPv6 router advertisement enabled')) resolve(true);
      });
    });
    const ended = once(server, 'close').then(() => false);
    ended.catch(() => undefined);
    if (await Promise.race([ready, ended])) return new LanServices(server, leaseFile);
    throw new DockError('io', `the DHCP server of ${lan.name} did not start: ${lines.join('; ')}`);
  }

  /** IPv4 address by card of all leases given out. */
  async leases(): Promise<Map<string, string>> {
    const text = await readFile(this.#leaseFile, 'utf8').catch(() => '');
    const leases = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [, mac, address] = line.split(' ');
      if (mac?.includes(':') && address?.includes('.')) leases.set(mac, address);
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

function serverArguments(lan: LanPlan, workspaceMac: string, leaseFile: string): string[] {
  const { leaseRange, leaseRange6 } = lan;
  return [
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--log-facility=-',
    // Nobody else to become: an unprivileged user namespace has one user and one group.
    '--user=root',
    '--group=',
    '--pid-file=',
    `--interface=${lan.switchDevice}`,
    '--except-interface=lo', // two of these run side by side
    '--bind-interfaces',
    '--no-resolv',
    '--no-hosts',
    `--domain=${lan.name}.test`,
    `--host-record=${gatewayName},${lan.router},${lan.router6}`,
    '--dhcp-authoritative', // a guest restored from a file comes with a lease this server never gave
    '--no-ping',
    `--dhcp-leasefile=${leaseFile}`,
    // The guest's clock stands still while it is saved; a lease without an end cannot run out meanwhile.
    `--dhcp-range=${leaseRange.first},${leaseRange.last},infinite`,
    `--dhcp-range=${leaseRange6.first},${leaseRange6.last},slaac,${lanPrefixLength6},infinite`,
    `--dhcp-host=${workspaceMac},${lan.workspace},[${lan.workspace6}],workspace,infinite`,
    `--dhcp-option=option:router,${lan.router}`,
    // The same server in each run, for the guest that was saved in another one.
    `--dhcp-duid=65000,${lan.routerMac}`,
    '--enable-ra',
    // Often, and good for half an hour: a guest that missed some while it moved has its router all the same.
    `--ra-param=${lan.switchDevice},20,1800`,
  ];
}
