import type { Check } from '../../protocol/control-methods.ts';
import type { HostBusReport } from './host-bus-state.ts';
import { hostBusName } from './object-path.ts';

const name = 'system bus';
const without = 'desktops, notifications and busctl do not reach wdockd; wdock does';

/** For `wdock doctor`. Never a failure: docking needs no bus. */
export async function checkHostBus({ state }: HostBusReport): Promise<Check> {
  switch (state.kind) {
    case 'off':
      return { name, state: 'ok', detail: `${hostBusName} is not served, as wdockd.yaml says (dbus.serve)` };
    case 'no-bus':
      return {
        name,
        state: 'warning',
        detail: `${state.why}; ${without}`,
        remedy: 'systemctl start dbus.socket; wdockd is there as soon as the bus is',
      };
    case 'refused':
      return {
        name,
        state: 'warning',
        detail: `${state.why}; ${without}`,
        remedy: `it needs ${hostBusName}.conf in /usr/share/dbus-1/system.d, which the package installs, and no other wdockd on this bus`,
      };
    case 'served':
      return (await state.polkit())
        ? { name, state: 'ok', detail: `${hostBusName} is served; polkit says who may do what` }
        : {
            name,
            state: 'warning',
            detail: `${hostBusName} is served, but without polkit nobody but root may do anything by it`,
            remedy: 'apt install polkitd',
          };
  }
}
