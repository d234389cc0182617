import type { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { type Fault, type KeyPath, pathText } from './fault.ts';
import type { PositionedData } from './read-yaml.ts';
import { schemaKeys } from './schema-keys.ts';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/**
 * The words for what a schema expected. Given to zod as its error map, so that a message written at the schema
 * itself ("expected a share such as 75%") goes first and these stand in for zod's own.
 */
export function expectedText(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${typeWords[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${countWords(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `expected ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${countWords(issue.origin, issue.maximum)}`;
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.format === 'regex' ? `expected a text like ${issue.pattern}` : `expected ${issue.format}`;
    default:
      return issue.message ?? 'not allowed here';
  }
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function countWords(origin: string, count: number | bigint): string {
  const s = Number(count) === 1 ? '' : 's';
  if (origin === 'string') return ` character${s}`;
  if (origin === 'array' || origin === 'set') return ` item${s}`;
  return '';
}

/** Turns what zod found into faults with their places in the file. */
export function schemaFaults(
  issues: readonly Issue[],
  schema: z.core.$ZodType,
  source: PositionedData,
  file: string,
): Fault[] {
  return issues.flatMap((issue) => faultsOf(issue, [], schema, source, file));
}

function faultsOf(
  issue: Issue,
  above: KeyPath,
  schema: z.core.$ZodType,
  source: PositionedData,
  file: string,
): Fault[] {
  const path: KeyPath = [...above, ...(issue.path as KeyPath)];
  if (issue.code === 'unrecognized_keys') {
    const known = schemaKeys(schema, path) ?? [];
    return issue.keys.map((key) => {
      const inner = [...path, key];
      return {
        file,
        ...source.keyPosition(inner),
        path: pathText(inner),
        message: unknownKey(key, known),
      };
    });
  }
  if (issue.code === 'invalid_union') {
    const branch = deepestBranch(issue.errors);
    if (branch !== undefined) {
      return branch.flatMap((inner) => faultsOf(inner, path, schema, source, file));
    }
  }
  const found = valueAt(source.data, path);
  const message = messageOf(issue, found, schemaKeys(schema, path));
  return [{ file, ...source.valuePosition(path), path: pathText(path), message }];
}

/** A branch whose mistake lies further inside was the one that was meant: its outside fits. */
function deepestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  let best: { branch: readonly Issue[]; depth: number } | undefined;
  for (const branch of branches) {
    const depth = Math.min(
      ...branch.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)),
    );
    if (branch.length > 0 && depth > (best?.depth ?? 0)) best = { branch, depth };
  }
  return best?.branch;
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = didYouMean(key, known);
  if (meant !== undefined) return `unknown key; did you mean "${meant}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

function messageOf(issue: Issue, found: unknown, keys: readonly string[] | undefined): string {
  let message = issue.message;
  if (issue.code === 'invalid_type' && keys !== undefined) message += ` with ${keys.join(', ')}`;
  if (found === undefined) return `is missing; ${message}`;
  if (issue.code === 'custom') return message;
  message += `, found ${foundText(found)}`;
  if (issue.code === 'invalid_value' && typeof found === 'string') {
    const meant = didYouMean(found, issue.values.map(String));
    if (meant === found) message += '; write it without quotation marks';
    else if (meant !== undefined) message += `; did you mean "${meant}"?`;
  }
  return message;
}

function foundText(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${value}`;
  if (typeof value !== 'string') return typeof value;
  return `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
}

function valueAt(data: unknown, path: KeyPath): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
