import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { loadIdentity } from '../pairing/identity.ts';
import { TrustStore } from '../pairing/trust-store.ts';
import { Tpm } from '../system/tpm/tpm.ts';
import { requirePolicyFolders, requireProfile } from './check-config.ts';
import type { DaemonConfig } from './config.ts';
import { createContainer, type WdockdModule } from './container.ts';
import { InstanceLock } from './instance-lock.ts';
import { Lifecycle, type Service } from './lifecycle.ts';
import { createLog, openLogFile } from './log-file.ts';
import { logFileOf } from './log-path.ts';
import { makeOwnFolder } from './own-folder.ts';
import { Renewal } from './renewal.ts';
import { DaemonToken } from './tokens.ts';
import { version } from './version.ts';

/** A wdockd that runs; disposing stops it and leaves every VM alone. */
export interface Wdockd extends AsyncDisposable {
  readonly log: Logger;
}

export interface WdockdOptions {
  readonly modules: readonly WdockdModule[];
  /** Log to standard output, too. */
  readonly logToStdout: boolean;
  /** Ends this wdockd and begins another one in a fresh memory; called when nothing is under way. */
  readonly renew: (why: string) => void;
}

/** On return it serves wdock and other devices. Throws with everything undone that it began. */
export async function startWdockd(
  config: DaemonConfig,
  options: WdockdOptions,
  signal: AbortSignal,
): Promise<Wdockd> {
  await using undo = new AsyncDisposableStack();
  await makeOwnFolder(config.stateFolder, 'stateFolder');
  await makeOwnFolder(config.runtimeFolder, 'runtimeFolder');
  undo.use(InstanceLock.acquire(join(config.stateFolder, 'wdockd.lock'), `the folder ${config.stateFolder}`));
  const file = openLogFile(logFileOf(config.stateFolder));
  undo.defer(() => file.close());
  const stdout = options.logToStdout ? [pino.destination({ dest: 1, sync: true })] : [];
  const log = createLog(config.log.level, [file, ...stdout], config.device.name);
  try {
    undo.use(await serve(config, options, log, signal));
  } catch (error) {
    // Also where nobody sees standard error: `wdock logs` shows it.
    if (!signal.aborted) log.fatal({ err: error }, 'could not start');
    throw error;
  }
  log.info({ socket: config.controlSocket }, 'ready');
  const running = undo.move();
  return { log, [Symbol.asyncDispose]: async () => await running.disposeAsync() };
}

async function serve(
  config: DaemonConfig,
  options: WdockdOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  await requireProfile(config, signal);
  await requirePolicyFolders(config).catch((error: unknown) =>
    log.warn({ why: DockError.from(error).message }, 'a policy folder is missing'),
  );
  const keyUse = { tpm: new Tpm(), wanted: config.identity.tpm === 'auto' };
  const identity = await loadIdentity(config.stateFolder, config.device.name, keyUse, signal);
  const { keyAtRest } = identity;
  if (keyAtRest.kind === 'file' && keyAtRest.because === 'tpm-failed')
    log.warn({ why: keyAtRest.error.message }, 'the TPM does not seal the private key');
  const trust = await TrustStore.load(join(config.stateFolder, 'devices.json'), identity.id);
  const renewal = new Renewal((why) => {
    log.info({ why }, 'beginning anew, so that nothing stays in memory');
    options.renew(why);
  });
  const container = createContainer({ config, log, identity, trust, renewal }, options.modules);
  const lifecycle = new Lifecycle(container.getAll<Service>(DaemonToken.Service), (service, error) =>
    log.error({ err: error, service }, 'a service did not stop in good order'),
  );
  log.info(
    { version, pid: process.pid, id: identity.id, simulated: config.profile !== undefined },
    'starting',
  );
  await lifecycle.start(signal);
  return {
    [Symbol.asyncDispose]: async () => {
      log.info('stopping; workspaces that run here go on running');
      await lifecycle.stop();
      log.info('stopped');
    },
  };
}
