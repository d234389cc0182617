import type { z } from 'zod';
import { type Fault, faultyFile, type KeyPath, type Position } from './fault.ts';
import { readYaml } from './read-yaml.ts';
import { expectedText, schemaFaults } from './schema-faults.ts';

export interface ParsedYaml<T> {
  readonly value: T;
  /** Where the value at this path stands; for what the file leaves out, where the mapping around it begins. */
  valuePosition(path: KeyPath): Position;
  keyPosition(path: KeyPath): Position;
}

/**
 * Reads a configuration file of any kind: `what` names it in messages, e.g. `policy`. Throws `config-invalid`
 * with every mistake of the file: `detail.faults`, each with file, line, column, path and message.
 */
export function parseYaml<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
  what: string,
): ParsedYaml<z.output<S>> {
  const source = readYaml(text, file);
  const { keyPosition, valuePosition } = source;
  const faults: Fault[] = [...source.faults];
  if (source.data !== undefined) {
    const checked = schema.safeParse(source.data, { error: expectedText });
    if (checked.success && faults.length === 0) {
      return { value: checked.data, keyPosition, valuePosition };
    }
    if (!checked.success)
      faults.push(...newFaults(faults, schemaFaults(checked.error.issues, schema, source, file)));
  }
  throw faultyFile(what, text, faults);
}

/** One place, one mistake: an alias that is refused is not also a missing value. */
function newFaults(known: readonly Fault[], found: readonly Fault[]): Fault[] {
  return found.filter((fault) => !known.some((other) => other.path === fault.path && other.path !== ''));
}
