// A host of its own: HostNetwork in a process whose network namespace is the host's. Requests come as JSON lines
// on standard input, one answer a line goes back. Beside it runs what keeps its answers for guests, as in wdockd.
import { pino } from 'pino';
import { AnswerService } from '../../../host-plugins/system/network/answer-service.ts';
import { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { findTakers } from '../../../host-plugins/system/network/find-takers.ts';
import { HostNetwork } from '../../../host-plugins/system/network/host-network.ts';
import type { StandstillSettings } from '../../../host-plugins/system/network/standstill.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { answerLines } from './answer-lines.ts';

const [runtimeFolder = '', ...closedPorts] = process.argv.slice(2);
const network = new HostNetwork({ runtimeFolder, closedPorts: closedPorts.map(Number) });

let waiting = new AbortController();

async function answer(line: string): Promise<unknown> {
  const { method, params } = JSON.parse(line) as { method: string; params: unknown[] };
  const [first, second, third] = params;
  const signal = AbortSignal.timeout(20_000);
  switch (method) {
    case 'createTap':
      return network.createTap(String(first), String(second), undefined, signal);
    case 'removeTap':
      return network.removeTap(String(first), signal);
    case 'hardwareAddress':
      return network.hardwareAddress(String(first), signal);
    case 'servesDhcp':
      return network.servesDhcp(String(first));
    case 'bind':
      return network.bind(NetworkBinding.parse(first), signal);
    case 'withdraw':
      return network.withdraw(String(first), signal);
    case 'readyStandstill':
      waiting = new AbortController();
      return network.readyStandstill(String(first), waiting.signal);
    case 'unreadyStandstill':
      return waiting.abort();
    case 'standStill':
      return network.standStill(String(first), second as StandstillSettings, signal);
    case 'goOn':
      return network.goOn(String(first), signal);
    case 'findTakers':
      return [...(await findTakers(String(first), second as string[], signal))];
    case 'announce':
      return network.announce(NetworkBinding.parse(first), String(second), third as string[], signal);
    default:
      throw new DockError('usage', `no method ${method}`);
  }
}

const answers = new AnswerService(network, pino({ enabled: false }));
await answers.start();
await answerLines(answer);
await answers.stop();
