/**
 * The closed list of ways in which a dock can fail. A refusal (the other side answered "no") and a
 * disconnection (nobody answered) are different kinds: a caller may retry the second, never the first.
 */
export const dockErrorKinds = [
  'usage', // the command line or a call's arguments are wrong
  'config-invalid', // a configuration or policy file is wrong
  'not-found', // a device, workspace or file that was named does not exist
  'conflict', // the thing exists, but is in a state in which this cannot be done
  'missing-dependency', // a program, kernel feature or permission that is needed is not there
  'does-not-fit', // the guest needs more than the target can give
  'qemu-refused', // QEMU answered a command with an error
  'qemu-gone', // QEMU's socket closed or the process died
  'agent-absent', // nobody answers on the agent's port
  'agent-refused', // the agent answered with an error
  'peer-refused', // the other device answered with an error
  'peer-gone', // the other device does not answer
  'untrusted', // the other end is not who it should be
  'protocol', // bytes that break the protocol: truncated, too long, of a wrong shape
  'timeout', // a deadline passed
  'cancelled', // somebody asked to stop
  'io', // the operating system refused a file, a process or a device
  'internal', // a defect of ours
] as const;

export type DockErrorKind = (typeof dockErrorKinds)[number];

/** What of a `DockError` travels over a socket. */
export interface DockErrorData {
  readonly kind: DockErrorKind;
  readonly message: string;
  /** Facts a program can use, e.g. `{ missingMiB: 812 }`. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * The one error class. The message says what failed, on what, and what to do about it; `cause` keeps what
 * was thrown first.
 */
export class DockError extends Error {
  readonly kind: DockErrorKind;
  readonly detail: Readonly<Record<string, unknown>> | undefined;

  constructor(
    kind: DockErrorKind,
    message: string,
    options: { cause?: unknown; detail?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DockError';
    this.kind = kind;
    this.detail = options.detail;
  }

  toData(): DockErrorData {
    return {
      kind: this.kind,
      message: this.message,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
    };
  }

  /** Makes an error of whatever was thrown; a `DockError` is returned as it is. */
  static from(thrown: unknown, kind: DockErrorKind = 'internal'): DockError {
    if (thrown instanceof DockError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const name = thrown instanceof Error ? thrown.name : '';
    if (name === 'TimeoutError') return new DockError('timeout', message, { cause: thrown });
    if (name === 'AbortError') return new DockError('cancelled', message, { cause: thrown });
    return new DockError(kind, message, { cause: thrown });
  }
}
