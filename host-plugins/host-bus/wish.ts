import { DockError } from '../../protocol/dock-error.ts';
import { TrustLevel } from '../../protocol/trust-level.ts';

/** An argument that may be left empty. */
export function named(argument: unknown): { name?: string } {
  const name = String(argument);
  return name === '' ? {} : { name };
}

/** Throws `usage`. */
export function trusted(argument: unknown): { trust?: TrustLevel } {
  if (argument === '') return {};
  const level = TrustLevel.safeParse(argument);
  if (level.success) return { trust: level.data };
  throw new DockError('usage', `this is no level of trust; use ${TrustLevel.options.join(', ')}, or nothing`);
}
