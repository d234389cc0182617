import { DockError, type DockErrorKind } from '../../protocol/dock-error.ts';

/** The D-Bus name of the error that a service answered with; undefined for any other error. */
export function dbusErrorName(error: unknown): string | undefined {
  const name = error instanceof DockError ? error.detail?.['dbusError'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** For a method of ours that refuses in a way for which D-Bus has a name of its own, which callers look for. */
export function dbusRefusal(
  name: `org.freedesktop.DBus.Error.${'AccessDenied' | 'InteractiveAuthorizationRequired'}`,
  message: string,
): DockError {
  return new DockError('untrusted', message, { detail: { dbusReply: name } });
}

/** The name under which a method of ours answers with this error. */
export function dbusReplyName(error: DockError): string {
  const name = error.detail?.['dbusReply'];
  return typeof name === 'string' ? name : dbusErrorOf(error.kind);
}

/** `not-found` becomes `org.wirelessdock.Error.NotFound`. */
export function dbusErrorOf(kind: DockErrorKind): string {
  const words = kind.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `org.wirelessdock.Error.${words.join('')}`;
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
