import type { WaitingProgram } from '../process/waiting-program.ts';
import { lanInterface, type NetworkBinding } from './binding.ts';
import { startIpBatch } from './ip-command.ts';
import { portName } from './port-rules.ts';
import { startSender } from './send-repeatedly.ts';

/** The interface on which a LAN is told where a guest is. */
export function tellingInterface(binding: NetworkBinding): string {
  return binding.mode === 'beside' ? portName(binding.tap) : lanInterface(binding);
}

/**
 * The programs that take up the traffic for a guest and tell the LAN so, started before the guest runs: it is not reached
 * until they have done their work, and their start is the longer part of that.
 */
export class WaitingAnnouncer implements Disposable {
  /** Where the host routes: lays the routes to the guest, and answers for it. */
  readonly ip: WaitingProgram | undefined;
  readonly #sender: WaitingProgram;
  readonly #from: string;

  /** `signal` ends what still waits; then it is started when it is needed. */
  constructor(binding: NetworkBinding, signal: AbortSignal) {
    this.#from = tellingInterface(binding);
    this.ip = binding.mode === 'routed' ? startIpBatch(signal) : undefined;
    this.#sender = startSender(this.#from, signal);
  }

  /** What sends frames where this binding tells them; undefined where that is another interface. */
  senderAt(binding: NetworkBinding): WaitingProgram | undefined {
    return tellingInterface(binding) === this.#from ? this.#sender : undefined;
  }

  [Symbol.dispose](): void {
    this.ip?.[Symbol.dispose]();
    this.#sender[Symbol.dispose]();
  }
}
