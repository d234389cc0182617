/** Name and D-Bus signature of one argument. */
export type DbusArgument = readonly [name: string, signature: string];

export interface DbusMethod {
  readonly in: readonly DbusArgument[];
  readonly out: readonly DbusArgument[];
  /**
   * What it throws becomes the error reply: `org.wirelessdock.Error.<Kind>`, or the name that `dbusRefusal` gave it.
   * @param sender unique name of the caller
   * @param interactive the caller would wait while its user is asked for a password
   */
  handle(
    args: readonly unknown[],
    sender: string,
    interactive: boolean,
  ): Promise<readonly unknown[]> | readonly unknown[];
}

/** An interface that we offer. Properties are read-only; a change is announced by `emitPropertiesChanged`. */
export interface DbusInterface {
  readonly name: string;
  readonly methods: Readonly<Record<string, DbusMethod>>;
  readonly properties: Readonly<Record<string, { readonly signature: string; read(): unknown }>>;
  readonly signals: Readonly<Record<string, readonly DbusArgument[]>>;
}

const doctype =
  '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n' +
  ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n';

/** What of an interface is visible from outside. */
export interface InterfaceShape {
  readonly name: string;
  readonly methods: Readonly<Record<string, Pick<DbusMethod, 'in' | 'out'>>>;
  readonly properties: Readonly<Record<string, { readonly signature: string }>>;
  readonly signals: DbusInterface['signals'];
}

function describeInterface(offered: InterfaceShape): string {
  const lines = [`  <interface name="${offered.name}">`];
  for (const [name, method] of Object.entries(offered.methods)) {
    lines.push(`    <method name="${name}">`);
    for (const [argument, type] of method.in) lines.push(argumentLine(argument, type, 'in'));
    for (const [argument, type] of method.out) lines.push(argumentLine(argument, type, 'out'));
    lines.push('    </method>');
  }
  for (const [name, args] of Object.entries(offered.signals)) {
    lines.push(`    <signal name="${name}">`);
    for (const [argument, type] of args) lines.push(`      <arg name="${argument}" type="${type}"/>`);
    lines.push('    </signal>');
  }
  for (const [name, property] of Object.entries(offered.properties))
    lines.push(`    <property name="${name}" type="${property.signature}" access="read"/>`);
  lines.push('  </interface>');
  return `${lines.join('\n')}\n`;
}

/** A file for /usr/share/dbus-1/interfaces. */
export function describeInterfaceFile(shape: InterfaceShape): string {
  return `${doctype}<node>\n${describeInterface(shape)}</node>\n`;
}

/** The answer to Introspect: interfaces of the object and the next path elements of the objects below it. */
export function describeNode(interfaces: readonly DbusInterface[], children: readonly string[]): string {
  const nodes = children.map((child) => `  <node name="${child}"/>\n`).join('');
  return `${doctype}<node>\n${interfaces.map(describeInterface).join('')}${standardInterfaces}${nodes}</node>\n`;
}

export function signatureOf(args: readonly DbusArgument[]): string {
  return args.map(([, type]) => type).join('');
}

function argumentLine(name: string, type: string, direction: 'in' | 'out'): string {
  return `      <arg name="${name}" type="${type}" direction="${direction}"/>`;
}

const standardInterfaces = `  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg name="xml" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg name="interface" type="s" direction="in"/>
      <arg name="name" type="s" direction="in"/>
      <arg name="value" type="v" direction="out"/>
    </method>
    <method name="GetAll">
      <arg name="interface" type="s" direction="in"/>
      <arg name="properties" type="a{sv}" direction="out"/>
    </method>
    <signal name="PropertiesChanged">
      <arg name="interface" type="s"/>
      <arg name="changed" type="a{sv}"/>
      <arg name="invalidated" type="as"/>
    </signal>
  </interface>
`;
