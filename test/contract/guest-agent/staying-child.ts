// A change of the connection by a NetworkManager that takes IPv6 away and never gives it back, in the network namespace of
// this process. The argument says what the change is to be.
import { keepStaying, stayingOver } from '../../../guest-agent/apply/staying-addresses.ts';
import type { NetworkChange } from '../../../guest-agent/decide/choose-network-settings.ts';
import { SystemFiles } from '../../../guest-agent/system-files.ts';

const files = new SystemFiles();
const ip6 = JSON.parse(process.argv[2] ?? '') as NetworkChange['ip6'];
const switchOff = () => files.write('/proc/sys/net/ipv6/conf/eth0/disable_ipv6', '1');
await keepStaying(files, 'eth0', stayingOver({ ip6 }, 'eth0', []), switchOff, AbortSignal.timeout(20_000));
