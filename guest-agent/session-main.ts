import { DockError } from '../protocol/dock-error.ts';
import { systemBusAddress } from './agent-version.ts';
import { type Compositor, findCompositor } from './apply/compositor.ts';
import { lockSecrets } from './apply/lock-secrets.ts';
import { MutterCompositor } from './apply/mutter-compositor.ts';
import { applyOnScreenKeyboard } from './apply/on-screen-keyboard.ts';
import { agentBusName, agentPath, sessionPath, sessionShape } from './dbus/agent-interface.ts';
import { DbusConnection } from './dbus/dbus-connection.ts';
import { implement } from './dbus/implement.ts';
import { retryDelayMs, sleep } from './retry-delay.ts';
import { untilAborted } from './until-aborted.ts';

/** The helper in a user's session, until `signal` is aborted: does there what the system service cannot reach. */
export async function runSessionHelper(
  sessionBusAddress: string,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using session = new DbusConnection(sessionBusAddress, note);
  await using system = new DbusConnection(systemBusAddress, note);
  const compositor = async (): Promise<Compositor> => {
    const found = await findCompositor([(probing) => MutterCompositor.probe(session, probing)], signal);
    if (found !== undefined) return found;
    throw new DockError(
      'missing-dependency',
      'no compositor that the agent can drive runs in this session (Mutter)',
    );
  };
  const offered = implement(
    sessionShape,
    {
      GetDisplay: async () => {
        const display = await (await compositor()).read(signal);
        if (display === undefined) return ['', 0, 0, 1, 'the compositor uses no screen'];
        return [display.connector, display.widthPx, display.heightPx, display.scale, ''];
      },
      ApplyDisplay: async (args) => {
        const [widthPx, heightPx, widthMm, heightMm, scale, limitMs] = args as number[] as [
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const wish = { widthPx, heightPx, widthMm, heightMm, scale };
        return [await (await compositor()).apply(wish, limitMs, signal)];
      },
      LockSecrets: async () => [await lockSecrets(session, signal)],
      SetOnScreenKeyboard: async ([on]) => [await applyOnScreenKeyboard(session, on === true, signal)],
    },
    {},
  );
  system.export(sessionPath, offered);
  const register = (): void => void registerUntilHeard(system, note, signal);
  system.whenConnected(register);
  system.listenToOwner(agentBusName, (owner) => {
    if (owner !== undefined) register();
  });
  await untilAborted(signal);
}

/** Ends at once where the agent does not run: its appearance on the bus is the next occasion. */
async function registerUntilHeard(
  bus: DbusConnection,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await bus.call(
        {
          destination: agentBusName,
          path: agentPath,
          interface: agentBusName,
          member: 'RegisterSession',
          noAutoStart: true,
        },
        signal,
      );
      return;
    } catch (error) {
      const failure = DockError.from(error);
      if (signal.aborted || failure.kind === 'missing-dependency') return;
      note(`the agent did not take this session: ${failure.message}`);
      await sleep(retryDelayMs(attempt), signal).catch(() => {});
    }
  }
}
