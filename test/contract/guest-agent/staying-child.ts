// A change of the connection by a NetworkManager that takes IPv6 away and never gives it back, in the network namespace of
// this process. The arguments say what the change is to be, and for how long, ms, this process has no time then; prints the
// addresses that are there after that. Fails when descriptors stay open.
import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { keepStaying, stayingOver } from '../../../guest-agent/apply/staying-addresses.ts';
import type { NetworkChange } from '../../../guest-agent/decide/choose-network-settings.ts';
import { SystemFiles } from '../../../guest-agent/system-files.ts';

const files = new SystemFiles();
const ip6 = JSON.parse(process.argv[2] ?? '') as NetworkChange['ip6'];
const switchOff = async (): Promise<void> => {
  await files.write('/proc/sys/net/ipv6/conf/eth0/disable_ipv6', '1');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.argv[3] ?? 0));
  const there = (networkInterfaces()['eth0'] ?? []).filter(({ family }) => family === 'IPv6');
  process.stdout.write(JSON.stringify(there.map(({ address }) => address)));
};
const open = () => readdirSync('/proc/self/fd').length;
const before = open();
await keepStaying(files, 'eth0', stayingOver({ ip6 }, 'eth0', []), switchOff, AbortSignal.timeout(20_000));
for (let looks = 0; open() > before; looks++) {
  if (looks === 500) throw new Error(`${open()} descriptors are open, ${before} were before`);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
