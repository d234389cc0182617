import { DockError } from '../../protocol/dock-error.ts';
import { dbusReplyName } from './dbus-failure.ts';
import { type DbusInterface, describeNode, signatureOf } from './dbus-interface.ts';
import { makeVariant } from './dbus-value.ts';

/** A method call that arrived, or as much of it as answering needs. */
export interface IncomingCall {
  readonly sender: string;
  readonly path: string;
  readonly interface: string | undefined;
  readonly member: string;
  readonly signature: string;
  readonly body: readonly unknown[];
  /** The caller allows that its user is asked (ALLOW_INTERACTIVE_AUTHORIZATION of the D-Bus specification). */
  readonly interactive?: boolean;
}

export type Reply =
  | { readonly kind: 'return'; readonly signature: string; readonly body: readonly unknown[] }
  | { readonly kind: 'error'; readonly name: string; readonly text: string };

/** The objects that a connection offers: looks up what a call is for and answers the standard interfaces. */
export class DbusObjects {
  readonly #objects = new Map<string, DbusInterface[]>();

  add(path: string, offered: DbusInterface): void {
    this.#objects.set(path, [...(this.#objects.get(path) ?? []), offered]);
  }

  remove(path: string): void {
    this.#objects.delete(path);
  }

  /** undefined when this call is for nothing that is offered here. Never throws or rejects. */
  answer(call: IncomingCall): Promise<Reply> | undefined {
    const interfaces = this.#objects.get(call.path);
    if (call.interface === 'org.freedesktop.DBus.Introspectable' && call.member === 'Introspect') {
      const children = this.#childrenOf(call.path);
      if (interfaces === undefined && children.length === 0) return undefined;
      return Promise.resolve(returns('s', describeNode(interfaces ?? [], children)));
    }
    if (interfaces === undefined) return undefined;
    if (call.interface === 'org.freedesktop.DBus.Properties') {
      return Promise.resolve(answerProperties(interfaces, call));
    }
    const offered = interfaces.find(
      (one) =>
        (call.interface === undefined || one.name === call.interface) &&
        Object.hasOwn(one.methods, call.member),
    );
    const method = offered?.methods[call.member];
    if (method === undefined) {
      return Promise.resolve(
        fails(
          'org.freedesktop.DBus.Error.UnknownMethod',
          `${call.path} has no method ${call.interface}.${call.member}`,
        ),
      );
    }
    const expected = signatureOf(method.in);
    if (call.signature !== expected) {
      return Promise.resolve(
        fails(
          'org.freedesktop.DBus.Error.InvalidArgs',
          `${call.member} takes "${expected}", not "${call.signature}"`,
        ),
      );
    }
    return run(async () => ({
      kind: 'return',
      signature: signatureOf(method.out),
      body: await method.handle(call.body, call.sender, call.interactive ?? false),
    }));
  }

  #childrenOf(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const children = new Set<string>();
    for (const known of this.#objects.keys()) {
      const child = known.startsWith(prefix) ? known.slice(prefix.length).split('/')[0] : undefined;
      if (child) children.add(child);
    }
    return [...children];
  }
}

function answerProperties(interfaces: readonly DbusInterface[], call: IncomingCall): Reply {
  const [name, property] = call.body;
  const offered = interfaces.find((one) => one.name === name);
  if (call.member === 'GetAll' && call.signature === 's') {
    return { kind: 'return', signature: 'a{sv}', body: [offered === undefined ? {} : readAll(offered)] };
  }
  if (call.member === 'Get' && call.signature === 'ss') {
    const known = Object.hasOwn(offered?.properties ?? {}, String(property));
    const read = known ? offered?.properties[String(property)] : undefined;
    if (read === undefined)
      return fails(
        'org.freedesktop.DBus.Error.UnknownProperty',
        `no property ${String(name)}.${String(property)}`,
      );
    return { kind: 'return', signature: 'v', body: [makeVariant(read.signature, read.read())] };
  }
  if (call.member === 'Set')
    return fails('org.freedesktop.DBus.Error.PropertyReadOnly', 'all properties are read-only');
  return fails(
    'org.freedesktop.DBus.Error.UnknownMethod',
    `Properties has no method ${call.member} for these arguments`,
  );
}

function readAll(offered: DbusInterface): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(offered.properties))
    all[name] = makeVariant(property.signature, property.read());
  return all;
}

async function run(answer: () => Promise<Reply>): Promise<Reply> {
  try {
    return await answer();
  } catch (thrown) {
    const error = DockError.from(thrown);
    return fails(dbusReplyName(error), error.message);
  }
}

function returns(signature: string, ...body: unknown[]): Reply {
  return { kind: 'return', signature, body };
}

function fails(name: string, text: string): Reply {
  return { kind: 'error', name, text };
}
