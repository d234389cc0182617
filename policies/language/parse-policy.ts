import type { KeyPath } from '../positioned-yaml/fault.ts';
import { parseYaml } from '../positioned-yaml/parse-yaml.ts';
import { PolicyDocument } from './policy-document.ts';

/** A policy file that was read without a mistake. */
export interface Policy {
  /** As it shall stand in messages and in `explain`. */
  readonly file: string;
  readonly document: PolicyDocument;
  /** The line of the key at this path. */
  lineOf(path: KeyPath): number;
}

/** Throws `config-invalid` that names every mistake with file, line, column and what was expected. */
export function parsePolicy(text: string, fileName: string): Policy {
  const parsed = parseYaml(text, fileName, PolicyDocument, 'policy');
  return { file: fileName, document: parsed.value, lineOf: (path) => parsed.keyPosition(path).line };
}
