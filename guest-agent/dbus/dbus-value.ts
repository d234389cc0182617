import { Variant } from 'dbus-next';

/** A value with its type, as D-Bus dictionaries of settings carry them. */
export type DbusVariant = { readonly signature: string; readonly value: unknown };

export function makeVariant(signature: string, value: unknown): DbusVariant {
  return new Variant(signature, value);
}

/**
 * A value as it is used inside: variants opened, 64-bit integers as numbers, dictionaries as objects without a
 * prototype (a key called `__proto__` is then a key). Integers beyond 2^53 lose their last digits.
 */
export function plainDbusValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plainDbusValue);
  if (value instanceof Variant) return plainDbusValue(value.value);
  const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, inner] of Object.entries(value)) plain[key] = plainDbusValue(inner);
  return plain;
}
