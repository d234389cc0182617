import type { DbusInterface, DbusMethod, InterfaceShape } from './dbus-interface.ts';

type Handlers<S extends InterfaceShape> = { readonly [M in keyof S['methods']]: DbusMethod['handle'] };
type Readers<S extends InterfaceShape> = { readonly [P in keyof S['properties']]: () => unknown };

/** Joins the shape of an interface with what it does. */
export function implement<S extends InterfaceShape>(
  shape: S,
  handlers: Handlers<S>,
  readers: Readers<S>,
): DbusInterface {
  const methods: Record<string, DbusMethod> = {};
  for (const [name, method] of Object.entries(shape.methods))
    methods[name] = { in: method.in, out: method.out, handle: handlers[name as keyof Handlers<S>] };
  const properties: Record<string, { signature: string; read(): unknown }> = {};
  for (const [name, property] of Object.entries(shape.properties))
    properties[name] = { signature: property.signature, read: readers[name as keyof Readers<S>] };
  return { name: shape.name, methods, properties, signals: shape.signals };
}
