export interface HeartbeatTimes {
  /** Between two pings while a call runs, ms. */
  readonly busyMs: number;
  /** Between two pings otherwise, ms: a radio that nobody uses may sleep. */
  readonly idleMs: number;
  /** … while somebody measures the link with them, ms; absent: as otherwise. */
  readonly measuredMs?: number;
  /** Pings in a row that may stay unanswered. */
  readonly unanswered: number;
}

export interface HeartbeatPort {
  readonly ping: () => void;
  /** Called once; `silentMs`: how long nothing was heard. */
  readonly dead: (silentMs: number) => void;
  readonly busy: () => boolean;
  readonly measured: () => boolean;
}

/** A dead link is found within 3 s while somebody waits (a Wi-Fi that drops leaves sockets half-open). */
export const defaultHeartbeat: HeartbeatTimes = {
  busyMs: 750,
  idleMs: 10_000,
  measuredMs: 2_000,
  unanswered: 3,
};

/**
 * Asks for a sign of life at intervals. Counts its own ticks instead of reading a clock, so that a process that
 * did not get the CPU for some seconds does not take its own absence for the other end's.
 */
export class Heartbeat {
  readonly #port: HeartbeatPort;
  readonly #times: HeartbeatTimes;
  readonly #timer: NodeJS.Timeout;
  #sincePingMs = 0;
  #unanswered = 0;

  constructor(port: HeartbeatPort, times: HeartbeatTimes = defaultHeartbeat) {
    this.#port = port;
    this.#times = times;
    this.#timer = setInterval(() => this.#tick(), times.busyMs).unref();
  }

  heard(): void {
    this.#unanswered = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#sincePingMs += this.#times.busyMs;
    // a ping that is out already is waited for at the busy pace, however idle the connection is
    const hurry = this.#unanswered > 0 || this.#port.busy();
    const { idleMs, measuredMs = idleMs } = this.#times;
    if (!hurry && this.#sincePingMs < (this.#port.measured() ? measuredMs : idleMs)) return;
    if (this.#unanswered >= this.#times.unanswered) {
      this.stop();
      this.#port.dead(this.#unanswered * this.#times.busyMs);
      return;
    }
    this.#sincePingMs = 0;
    this.#unanswered++;
    this.#port.ping();
  }
}
