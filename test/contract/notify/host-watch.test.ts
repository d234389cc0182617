import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { hostBusName, hostPath } from '../../../host-plugins/host-bus/object-path.ts';
import { type HostProperties, HostWatch } from '../../../host-plugins/notify/host-watch.ts';
import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { implement } from '../../../host-plugins/system/dbus/dbus-interface.ts';
import { makeVariant } from '../../../host-plugins/system/dbus/dbus-value.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes, on a machine that may be busy

const face = 'org.wirelessdock.Test';
const path = `${hostPath}/thing`;
const objectManager = {
  name: 'org.freedesktop.DBus.ObjectManager',
  methods: { GetManagedObjects: { in: [], out: [['objects', 'a{oa{sa{sv}}}']] } },
  properties: {},
  signals: {},
} as const;

let stack: AsyncDisposableStack;
let bus: PrivateBus;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  bus = stack.use(await PrivateBus.start('open'));
});

afterEach(async () => {
  await stack?.disposeAsync();
});

/** Nothing of this process goes on for so long, as on a busy computer; the bus does its work meanwhile. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it('has what changed right after wdockd was asked for all, also when it hears of both at once', async () => {
  const wdockd = stack.use(new DbusConnection(bus.address));
  const change = () =>
    wdockd.emit(path, 'org.freedesktop.DBus.Properties', 'PropertiesChanged', 'sa{sv}as', [
      face,
      { State: makeVariant('s', 'new') },
      [],
    ]);
  const all = { [path]: { [face]: { State: makeVariant('s', 'old') } } };
  const handlers = {
    GetManagedObjects: () => {
      // The answer is on its way then.
      setImmediate(() => {
        change();
        stall(200);
      });
      return [all];
    },
  };
  wdockd.export(hostPath, implement(objectManager, handlers, {}));
  await wdockd.ownName(hostBusName, AbortSignal.timeout(10_000));

  const told: HostProperties[] = [];
  const over = new AbortController();
  stack.defer(() => over.abort());
  const watch = new HostWatch(stack.use(new DbusConnection(bus.address)), (_path, _face, found) => {
    if (found !== undefined) told.push(found);
  });
  watch.start(over.signal);
  await expect.poll(() => told.at(-1)).toEqual({ State: 'new' });
  expect(watch.read(path, face)).toEqual({ State: 'new' });
});
