import { DockError } from '../protocol/dock-error.ts';
import { GuestState } from '../protocol/guest-state.ts';
import { systemBusAddress } from './agent-version.ts';
import { agentBusName, agentPath } from './dbus/agent-interface.ts';
import { DbusConnection } from './dbus/dbus-connection.ts';
import { plainDbusValue } from './dbus/dbus-value.ts';
import { type AgentView, renderStatus } from './render-status.ts';

/** Asks the running agent what it sees; the text to print. Throws `agent-absent` where none runs. */
export async function readStatus(json: boolean, signal: AbortSignal): Promise<string> {
  const view = await ask(signal);
  return json ? JSON.stringify(view) : renderStatus(view);
}

async function ask(signal: AbortSignal): Promise<AgentView> {
  await using bus = new DbusConnection(systemBusAddress);
  try {
    const target = { destination: agentBusName, path: agentPath };
    const [properties] = await bus.call(
      {
        ...target,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'GetAll',
        signature: 's',
        body: [agentBusName],
      },
      signal,
    );
    const [state] = await bus.call({ ...target, interface: agentBusName, member: 'GetState' }, signal);
    const read = plainDbusValue(properties) as Record<string, unknown>;
    return {
      host: {
        name: String(read['HostName']),
        deviceClass: String(read['HostClass']),
        simulated: read['Simulated'] === true,
        epoch: Number(read['Epoch']),
      },
      moving: read['Moving'] === true,
      inhibitors: read['Inhibitors'] as string[],
      guest: GuestState.parse(JSON.parse(String(state))),
    };
  } catch (error) {
    const failure = DockError.from(error);
    if (failure.kind !== 'missing-dependency') throw failure;
    throw new DockError(
      'agent-absent',
      'the agent does not run; start it with: systemctl start wireless-dock-agent',
    );
  }
}
