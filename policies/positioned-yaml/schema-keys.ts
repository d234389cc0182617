import type { z } from 'zod';
import type { KeyPath } from './fault.ts';

/** The keys that a schema knows at a path; undefined where there is no mapping with fixed keys. */
export function schemaKeys(schema: z.core.$ZodType, path: KeyPath): string[] | undefined {
  const keys = new Set<string>();
  for (const reached of descend([schema as z.core.$ZodTypes], path)) {
    for (const object of unwrap(reached)) {
      if (object._zod.def.type !== 'object') continue;
      for (const key of Object.keys(object._zod.def.shape)) keys.add(key);
    }
  }
  return keys.size === 0 ? undefined : [...keys];
}

function descend(schemas: readonly z.core.$ZodTypes[], path: KeyPath): readonly z.core.$ZodTypes[] {
  const [step, ...rest] = path;
  if (step === undefined) return schemas;
  const inner = schemas.flatMap(unwrap).flatMap((schema): z.core.$ZodTypes[] => {
    const def = schema._zod.def;
    if (def.type === 'object' && typeof step === 'string' && Object.hasOwn(def.shape, step)) {
      return [def.shape[step] as z.core.$ZodTypes];
    }
    if (def.type === 'array') return [def.element as z.core.$ZodTypes];
    if (def.type === 'record') return [def.valueType as z.core.$ZodTypes];
    return [];
  });
  return inner.length === 0 ? [] : descend(inner, rest);
}

/** Looks through what only decorates a schema (optional, default, transform …) and into every side of a union. */
function unwrap(schema: z.core.$ZodTypes): z.core.$ZodTypes[] {
  const def = schema._zod.def;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrap(def.innerType as z.core.$ZodTypes);
    case 'pipe':
      return unwrap(def.in as z.core.$ZodTypes);
    case 'lazy':
      return unwrap(def.getter() as z.core.$ZodTypes);
    case 'union':
      return def.options.flatMap((option) => unwrap(option as z.core.$ZodTypes));
    default:
      return [schema];
  }
}
