/** What the host side needs to offer objects on a bus; see dbus-connection.ts for why it comes from there. */
export { dbusErrorOf, dbusRefusal } from '../../../guest-agent/dbus/dbus-failure.ts';
export {
  type DbusInterface,
  type DbusMethod,
  describeInterfaceFile,
  type InterfaceShape,
  signatureOf,
} from '../../../guest-agent/dbus/dbus-interface.ts';
export { implement } from '../../../guest-agent/dbus/implement.ts';
