import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { type Fault, type KeyPath, type Position, pathText } from './fault.ts';

/** A YAML file as plain values, and where each of them stands. */
export interface PositionedData {
  readonly data: unknown;
  /** Mistakes in the YAML itself. `data` is as much as could be read; undefined after a syntax error. */
  readonly faults: readonly Fault[];
  /** Of the value at the path, or of the nearest thing around it that stands in the file. */
  valuePosition(path: KeyPath): Position;
  /** Of the key that leads to the value; of the item for a list. */
  keyPosition(path: KeyPath): Position;
}

/** Configuration is written by hand; what is longer than this, in UTF-16 units, is not configuration. */
const maxLength = 256 * 1024;
const maxDepth = 32;
/** The parser calls itself for each level; it reports what V8 throws then as if it stood in the file. */
const ranOutOfStack = /call stack|stack overflow/i;
/** YAML 1.2.2, 5.1 (c-printable), without what UTF-8 cannot bring. */
const notYaml = /(?![\t\n\r\u0085])\p{Cc}/u;
const maxSyntaxFaults = 10;

/**
 * Reads the part of YAML 1.2 that configuration needs: mappings with words as keys, lists, and plain values.
 * Refused, because the position of a value would no longer be the place to correct it, or because two readers
 * would understand two things: anchors, aliases, merge keys, tags, directives, duplicate keys, several documents.
 */
export function readYaml(text: string, file: string): PositionedData {
  const positions = new Map<string, { key: Position; value: Position }>();
  const faults: Fault[] = [];
  const counter = new LineCounter();
  const at = (offset: number): Position => {
    const found = counter.linePos(Math.max(0, Math.min(offset, text.length)));
    return { line: Math.max(1, found.line), column: Math.max(1, found.col) };
  };
  const fault = (position: Position, path: KeyPath, message: string) =>
    faults.push({ file, ...position, path: pathText(path), message });

  const start: Position = { line: 1, column: 1 };
  const lookUp = (path: KeyPath, side: 'key' | 'value'): Position => {
    for (let length = path.length; length >= 0; length--) {
      const found = positions.get(JSON.stringify(path.slice(0, length)));
      if (found !== undefined) return length === path.length ? found[side] : found.value;
    }
    return start;
  };
  const result = (data: unknown): PositionedData => ({
    data,
    faults,
    valuePosition: (path) => lookUp(path, 'value'),
    keyPosition: (path) => lookUp(path, 'key'),
  });

  if (text.length > maxLength) {
    fault(start, [], `longer than ${maxLength / 1024} KiB; this is not a configuration file`);
    return result(undefined);
  }
  const unwritable = text.search(notYaml);
  if (unwritable >= 0) {
    const code = text.charCodeAt(unwritable).toString(16).toUpperCase().padStart(4, '0');
    const before = text.slice(0, unwritable).split(/\r\n|\r|\n/);
    const position = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    fault(position, [], `the control character U+${code}, which no YAML file has; is this a text file?`);
    return result(undefined);
  }
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    strict: true,
    uniqueKeys: false,
    version: '1.2',
    schema: 'core',
    merge: false,
    // Not `silent`: that also drops the error for a second document.
    logLevel: 'error',
  });
  // What follows the first few errors of syntax is mostly their echo.
  const tooDeep = document.errors.find(({ message }) => ranOutOfStack.test(message));
  if (tooDeep !== undefined) {
    fault(at(tooDeep.pos[0]), [], `more than ${maxDepth} levels deep`);
    return result(undefined);
  }
  for (const error of document.errors.slice(0, maxSyntaxFaults))
    fault(at(error.pos[0]), [], yamlMistake(error.code, error.message));
  if (document.directives?.yaml.explicit === true) {
    fault(start, [], 'a %YAML directive; remove it: these files are YAML 1.2 always');
  }
  if (document.errors.length > 0) return result(undefined);

  const convert = (node: Node, path: KeyPath): unknown => {
    if (isAlias(node)) {
      fault(at(node.range?.[0] ?? 0), path, `the alias "*${node.source}"; write the value out`);
      return undefined;
    }
    const position = at(node.range?.[0] ?? 0);
    if (node.anchor !== undefined)
      fault(position, path, `the anchor "&${node.anchor}"; aliases are not read`);
    if (node.tag !== undefined)
      fault(position, path, `the tag "${node.tag.replace('tag:yaml.org,2002:', '!!')}"; remove it`);
    if (path.length > maxDepth) {
      fault(position, path.slice(0, 3), `more than ${maxDepth} levels deep`);
      return undefined;
    }
    if (isScalar(node)) return node.value;
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const inner = [...path, index];
        if (!isNode(item)) return undefined;
        const value = at(item.range?.[0] ?? 0);
        positions.set(JSON.stringify(inner), { key: value, value });
        return convert(item, inner);
      });
    }
    if (!isMap(node)) return undefined;
    const mapping: Record<string, unknown> = {};
    const firstLines = new Map<string, number>();
    for (const { key, value } of node.items) {
      const keyAt = isNode(key) ? at(key.range?.[0] ?? 0) : position;
      if (!isScalar(key) || typeof key.value !== 'string') {
        fault(keyAt, path, 'a key has to be a word');
        continue;
      }
      const name = key.value;
      const inner = [...path, name];
      if (name === '<<') {
        fault(keyAt, path, 'the merge key "<<"; write the values out');
        continue;
      }
      const firstLine = firstLines.get(name);
      if (firstLine !== undefined) {
        fault(keyAt, inner, `stands here a second time, first on line ${firstLine}; remove one of them`);
        continue;
      }
      firstLines.set(name, keyAt.line);
      const node = isNode(value) ? value : undefined;
      positions.set(JSON.stringify(inner), {
        key: keyAt,
        value: node?.range == null ? keyAt : at(node.range[0]),
      });
      if (isNode(key) && key.anchor !== undefined) {
        fault(keyAt, inner, `the anchor "&${key.anchor}"; aliases are not read`);
      }
      // Not an assignment: the key may be `__proto__`.
      Object.defineProperty(mapping, name, {
        value: node === undefined ? null : convert(node, inner),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return mapping;
  };
  if (document.contents === null) return result(null);
  positions.set('[]', { key: start, value: at(document.contents.range[0]) });
  return result(convert(document.contents, []));
}

function yamlMistake(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document ("---"); one file is one document';
  if (code === 'TAB_AS_INDENT') return 'a tab in the indentation; use spaces';
  return `not YAML: ${message.split('\n')[0]}`;
}
