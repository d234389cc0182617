// A wdockd's bridges in a process whose network namespace is the host's. Requests come as JSON lines on standard input,
// one answer a line goes back.
import { HostBridges } from '../../../host-plugins/system/bridge/host-bridges.ts';
import { HostInventory } from '../../../host-plugins/system/host-inventory/host-inventory.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { answerLines } from './answer-lines.ts';

const [runtimeFolder = '', systemBus = '', uplink = ''] = process.argv.slice(2);
const bridges = new HostBridges({ runtimeFolder, systemBus, holdOffMs: 0 });
const inventory = new HostInventory({
  deviceClass: 'desktop',
  diskFolder: runtimeFolder,
  uplink,
  systemBus,
});

async function answer(line: string): Promise<unknown> {
  const { method, param } = JSON.parse(line) as { method: string; param?: string };
  const signal = AbortSignal.timeout(90_000);
  switch (method) {
    case 'ensure':
      return await bridges.ensure(String(param), signal);
    case 'sweep':
      return await bridges.sweep(signal);
    case 'recover':
      return await bridges.recover(signal);
    case 'links':
      return (await inventory.discoverHost(signal)).links;
    default:
      throw new DockError('usage', `no method ${method}`);
  }
}

await answerLines(answer);
