import type { DockError, DockErrorKind } from '../../protocol/dock-error.ts';

/** What wdock's exit says to scripts; described in docs/cli.md and in `wdock --help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  daemonGone: 5,
  peerGone: 6,
  interrupted: 130,
} as const;

export const exitCodeHelp = `Exit codes:
  0    done
  1    failed
  2    wrong command line, or a mistake in a file
  3    no such device, workspace or file
  4    refused: does not fit, is not trusted, or is in a state that forbids it
  5    wdockd of this device does not answer
  6    the other device does not answer
  130  interrupted, or cancelled by somebody`;

const byKind: Partial<Record<DockErrorKind, number>> = {
  usage: exitCodes.usage,
  'config-invalid': exitCodes.usage,
  'not-found': exitCodes.notFound,
  'does-not-fit': exitCodes.refused,
  conflict: exitCodes.refused,
  'peer-refused': exitCodes.refused,
  untrusted: exitCodes.refused,
  'peer-gone': exitCodes.peerGone,
  cancelled: exitCodes.interrupted,
};

export function exitCodeOf(error: DockError): number {
  if (isDaemonGone(error)) return exitCodes.daemonGone;
  return byKind[error.kind] ?? exitCodes.failed;
}

/** Marks the `peer-gone` that is about this device's own wdockd. */
export const daemonGoneDetail = { end: 'wdockd' } as const;

export function isDaemonGone(error: DockError): boolean {
  return error.kind === 'peer-gone' && error.detail?.['end'] === daemonGoneDetail.end;
}
