/**
 * All that a pure file has besides the language: tsconfig.pure.json knows neither Node nor a browser. It stands
 * outside tsconfig.json, where Node declares the same names.
 */

/** May be named in a signature, and neither made nor used. */
interface AbortSignal {
  readonly aborted: boolean;
}

/** WHATWG Encoding: text and bytes, no I/O. */
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label: 'utf-8', options?: { fatal?: boolean });
  decode(bytes: Uint8Array): string;
}
