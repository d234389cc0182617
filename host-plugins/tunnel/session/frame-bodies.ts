import { z } from 'zod';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import { DockErrorShape } from '../../../protocol/dock-error-shape.ts';
import { encodeNumber } from './encode-frame.ts';
import { maxTextBytes } from './frame.ts';
import { readNumber } from './frame-reader.ts';

/** Of the message of an error that is too long with its details, characters; JSON makes six bytes of some. */
const maxMessageLength = 2_000;
const maxPlaces = 16;

/** The rooms of what is longer than a number: parsed here, and nowhere else. All `decode…` throw `protocol`. */
const Places = z
  .array(z.strictObject({ address: z.string().min(1).max(300), by: z.string().max(32) }))
  .max(maxPlaces);
/** Where an end can be reached: an address (device-address.ts), and the interface that has it. */
export type LinkPlace = z.output<typeof Places>[number];

const encoder = new TextEncoder();

export function encodeOpen(name: string, urgent: boolean, credit: number): Uint8Array {
  const text = encoder.encode(name);
  const bytes = new Uint8Array(7 + text.length);
  bytes[0] = urgent ? 1 : 0;
  bytes.set(encodeNumber(credit), 1);
  bytes.set(text, 7);
  return bytes;
}

export function decodeOpen(bytes: Uint8Array): { name: string; urgent: boolean; credit: number } {
  const [urgency = 0] = bytes;
  if (urgency > 1) throw new DockError('protocol', `a channel of the unknown urgency ${urgency}`);
  return { urgent: urgency === 1, credit: readNumber(bytes, 1), name: decodeText(bytes.subarray(7)) };
}

export function encodeError(error: DockErrorData): Uint8Array {
  const whole = encoder.encode(JSON.stringify(error));
  if (whole.length <= maxTextBytes) return whole;
  return encoder.encode(
    JSON.stringify({ kind: error.kind, message: error.message.slice(0, maxMessageLength) }),
  );
}

export function decodeError(bytes: Uint8Array): DockErrorData {
  const { kind, message, detail } = decode(bytes, DockErrorShape, 'an error');
  return { kind, message, ...(detail === undefined ? {} : { detail }) };
}

export function encodePlaces(places: readonly LinkPlace[]): Uint8Array {
  return encoder.encode(JSON.stringify(places.slice(0, maxPlaces)));
}

export function decodePlaces(bytes: Uint8Array): readonly LinkPlace[] {
  return decode(bytes, Places, 'the places');
}

function decode<S extends z.ZodType>(bytes: Uint8Array, schema: S, what: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(bytes));
  } catch (error) {
    throw new DockError('protocol', `${what} is not JSON`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DockError('protocol', `${what} is wrong: ${z.prettifyError(parsed.error)}`);
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DockError('protocol', 'a text is not UTF-8', { cause: error });
  }
}
