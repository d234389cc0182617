import { DockError, type DockErrorKind } from '../../protocol/dock-error.ts';

/** What is wrong with one option of a command line. */
export interface WrongOption {
  /** `--disk` */
  readonly option: string;
  readonly message: string;
  /** `not-found` for a file that is not there, `config-invalid` for one with mistakes; default `usage`. */
  readonly kind?: DockErrorKind;
  readonly detail?: DockError['detail'];
}

/** Throws all of them as one error, if there are any. */
export function refuseWrongOptions(wrong: readonly WrongOption[]): void {
  if (wrong.length === 0) return;
  const kinds = new Set(wrong.map(({ kind }) => kind ?? 'usage'));
  const [only] = kinds;
  throw new DockError(
    kinds.size === 1 && only !== undefined ? only : 'usage',
    wrong.map(({ option, message }) => `${option}: ${message}`).join('\n'),
    {
      detail: {
        ...Object.fromEntries(wrong.flatMap(({ detail }) => Object.entries(detail ?? {}))),
        options: wrong.map(({ option }) => option),
      },
    },
  );
}
