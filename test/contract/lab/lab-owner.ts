// Makes a lab network with a process in it and then waits, for a test to kill it. Says its label and namespaces.
import { LabNetwork } from '../../lab/network/lab-network.ts';

await using network = await LabNetwork.create({}, AbortSignal.timeout(30_000));
// Its own session, as wdockd starts QEMU: it does not end with us.
network.pc.spawn(['setsid', '--fork', 'sleep', '3600'], { stdio: 'ignore' });
const { lan, mid, pc, client } = network;
const namespaces = [lan, mid, pc, client].map((namespace) => namespace.inode);
process.stdout.write(`${JSON.stringify({ label: network.label, namespaces })}\n`);
await new Promise((resolve) => setTimeout(resolve, 3_600_000));
