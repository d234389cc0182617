import { DockError } from '../../protocol/dock-error.ts';

/** The D-Bus name of the error that a service answered with; undefined for any other error. */
export function dbusErrorName(error: unknown): string | undefined {
  const name = error instanceof DockError ? error.detail?.['dbusError'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** What the library threw, as our error. @param what the call, in words */
export function describeFailure(thrown: unknown, what: string): DockError {
  const { type, text } = thrown as { type?: unknown; text?: unknown };
  if (typeof type !== 'string') return DockError.from(thrown, 'io');
  const absent = /\.(ServiceUnknown|NameHasNoOwner|Spawn\..*)$/.test(type);
  const message = `${what}: ${typeof text === 'string' ? text : type}`;
  return new DockError(absent ? 'missing-dependency' : 'io', message, {
    cause: thrown,
    detail: { dbusError: type },
  });
}
