import { readFile } from 'node:fs/promises';
import { agentPortName } from '../protocol/agent-channel.ts';
import { DockError } from '../protocol/dock-error.ts';
import { makeAgentHandlers } from './agent-handlers.ts';
import { agentVersion, systemBusAddress } from './agent-version.ts';
import { ServiceFreezer } from './apply/freeze-services.ts';
import { GuestGuard } from './apply/guest-guard.ts';
import { keepPluggedMemoryRemovable } from './apply/memory-blocks.ts';
import { NetworkBinding } from './apply/network-binding.ts';
import { NetworkManager } from './apply/network-manager.ts';
import { agentBusName } from './dbus/agent-interface.ts';
import { AgentPresence } from './dbus/agent-presence.ts';
import { whenBootFinished } from './dbus/boot-progress.ts';
import { DbusConnection } from './dbus/dbus-connection.ts';
import { UserSessions } from './dbus/user-sessions.ts';
import { AgentPort } from './host-link/agent-port.ts';
import { Conversation } from './host-link/conversation.ts';
import { observeGuest } from './observe/observe-guest.ts';
import { readVcpus } from './observe/read-cpus.ts';
import { StoredState } from './stored-state.ts';
import { SystemFiles } from './system-files.ts';

export interface SystemAgentOptions {
  /** The virtio-serial port; another path where a test stands in for it. */
  readonly port: string;
  /** The kernel's files below another root, for tests. */
  readonly root: string;
  readonly stateFile: string;
}

export const systemAgentDefaults: SystemAgentOptions = {
  port: `/dev/virtio-ports/${agentPortName}`,
  root: '/',
  stateFile: '/run/wireless-dock-agent/state.json',
};

/**
 * The system service, until `signal` is aborted. Put together by hand: a container would add a megabyte to a
 * process that lives in the smallest device's memory, and there is one way to put it together.
 */
export async function runSystemAgent(
  options: SystemAgentOptions,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const files = new SystemFiles(options.root);
  for (const problem of await keepPluggedMemoryRemovable(files)) note(problem);
  const stored = new StoredState(options.stateFile);
  await using bus = new DbusConnection(systemBusAddress, note);
  const freezer = new ServiceFreezer(bus, stored);
  let settled = false;

  const sessions: UserSessions = new UserSessions(bus, (event) => conversation.tell(event));
  const sources = { agentVersion, files, stored, sessions, freezer };
  const presence: AgentPresence = new AgentPresence({
    bus,
    stored,
    version: agentVersion,
    registerSession: (caller) => sessions.register(caller, signal),
    describeState: async () => JSON.stringify(await observeGuest(sources, signal)),
    inhibitorsChanged: (who) => conversation.tell('inhibitors-changed', { who }),
  });
  const network = new NetworkBinding(files, new NetworkManager(bus), note);
  const due = stored.read().network?.due;
  if (due !== undefined) await network.resume(due);
  const guard = new GuestGuard(bus, sessions, stored);
  const handlers = makeAgentHandlers({ ...sources, bus, presence, network, guard });
  const conversation = new Conversation({
    agentVersion,
    bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    handlers,
    note,
    send: (frame) => port.send(frame),
    greeted: ({ host, epoch }) => {
      presence.greet(host, epoch).catch((error: unknown) => note(DockError.from(error).message));
      if (settled) conversation.tell('settled');
    },
  });
  const port = new AgentPort(options.port, conversation, note);

  presence.setVcpus((await readVcpus(files)).online);
  bus.whenConnected(() => {
    // A new bus knows none of the old one's unique names.
    sessions.forgetAll();
    presence.forgetHolders();
  });
  await bus.ownName(agentBusName, signal);
  void whenBootFinished(
    bus,
    () => {
      settled = true;
      conversation.tell('settled');
    },
    signal,
  );
  await port.run(signal);

  await network.close();
  conversation.close(new DockError('cancelled', 'the agent is being stopped'));
  const cleanup = AbortSignal.timeout(20_000);
  if (stored.read().frozen.length > 0) for (const problem of await freezer.thawAll(cleanup)) note(problem);
}
