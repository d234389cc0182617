import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';

/** What QEMU sends on a QMP socket (docs/interop/qmp-spec.rst), one JSON object a line. */

const Timestamp = z.object({ seconds: z.number(), microseconds: z.number() });

const Greeting = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
      package: z.string(),
    }),
    capabilities: z.array(z.string()),
  }),
});

const Event = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
  timestamp: Timestamp,
});

const Failure = z.object({
  error: z.object({ class: z.string(), desc: z.string() }),
  id: z.string().optional(),
});

const Success = z.object({ return: z.unknown(), id: z.string().optional() });

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: QemuVersion; readonly capabilities: readonly string[] }
  | {
      readonly kind: 'event';
      readonly event: string;
      readonly data: Record<string, unknown>;
      readonly at: number;
    }
  | { readonly kind: 'success'; readonly id: string | undefined; readonly value: unknown }
  | {
      readonly kind: 'failure';
      readonly id: string | undefined;
      readonly errorClass: string;
      readonly desc: string;
    };

export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

/** Throws `protocol` for what is no QMP message. */
export function parseQmpMessage(line: string): QmpMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DockError('protocol', `QEMU sent a line that is no JSON: ${excerpt(line)}`, { cause: error });
  }
  if (typeof value === 'object' && value !== null) {
    if ('return' in value) {
      const message = Success.safeParse(value);
      if (message.success) return { kind: 'success', id: message.data.id, value: message.data.return };
    } else if ('error' in value) {
      const message = Failure.safeParse(value);
      if (message.success) {
        const { error, id } = message.data;
        return { kind: 'failure', id, errorClass: error.class, desc: error.desc };
      }
    } else if ('event' in value) {
      const message = Event.safeParse(value);
      if (message.success) {
        const { event, data, timestamp } = message.data;
        const at = timestamp.seconds * 1000 + timestamp.microseconds / 1000;
        return { kind: 'event', event, data: data ?? {}, at };
      }
    } else if ('QMP' in value) {
      const message = Greeting.safeParse(value);
      if (message.success) {
        const { version, capabilities } = message.data.QMP;
        return { kind: 'greeting', version: version.qemu, capabilities };
      }
    }
  }
  throw new DockError('protocol', `QEMU sent what is no QMP message: ${excerpt(line)}`);
}

function excerpt(line: string): string {
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
