import { expect, it } from 'vitest';
import {
  daemonGoneDetail,
  exitCodeHelp,
  exitCodeOf,
  exitCodes,
} from '../../../host-plugins/cli/exit-code.ts';
import { DockError, dockErrorKinds } from '../../../protocol/dock-error.ts';

it('every kind of error has an exit code that the help explains', () => {
  for (const kind of dockErrorKinds) {
    const code = exitCodeOf(new DockError(kind, ''));
    expect(code).not.toBe(0);
    expect(exitCodeHelp).toMatch(new RegExp(`^ {2}${code} `, 'm'));
  }
});

it('the absence of wdockd here and of the other device are different codes', () => {
  expect(exitCodeOf(new DockError('peer-gone', ''))).toBe(exitCodes.peerGone);
  expect(exitCodeOf(new DockError('peer-gone', '', { detail: daemonGoneDetail }))).toBe(exitCodes.daemonGone);
});

it('a refusal and an absence are different codes', () => {
  expect(exitCodeOf(new DockError('does-not-fit', ''))).toBe(exitCodes.refused);
  expect(exitCodeOf(new DockError('peer-refused', ''))).toBe(exitCodes.refused);
});
