import { parseArgs } from 'node:util';
import { DockError } from '../../protocol/dock-error.ts';
import { requirePolicyFolders, requireProfile } from './check-config.ts';
import { defaultConfigPath } from './config.ts';
import { shippedModules } from './container.ts';
import { loadConfig } from './load-config.ts';
import { tellSystemdReady } from './tell-systemd.ts';
import { wdockdUsage } from './usage.ts';
import { version } from './version.ts';
import { startWdockd, type Wdockd } from './wdockd.ts';

/** wdockd from its arguments to its exit code. */
export async function runWdockd(args: readonly string[]): Promise<number> {
  let options: { config: string; checkConfig: boolean };
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', default: defaultConfigPath },
        'check-config': { type: 'boolean', default: false },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help || values.version) {
      process.stdout.write(values.help ? wdockdUsage : `${version}\n`);
      return 0;
    }
    options = { config: values.config, checkConfig: values['check-config'] };
  } catch (error) {
    process.stderr.write(`wdockd: ${(error as Error).message}; see wdockd --help\n`);
    return 2;
  }
  try {
    const config = await loadConfig(options.config);
    const ended = endSignal();
    if (options.checkConfig) {
      await requireProfile(config, ended.signal);
      await requirePolicyFolders(config);
      return 0;
    }
    await using daemon = await startWdockd(
      config,
      { modules: shippedModules, logToStdout: true },
      ended.signal,
    );
    watchForDefects(daemon, ended);
    await tellSystemdReady(process.env, ended.signal);
    await ended.reason;
    return ended.failed ? 1 : 0;
  } catch (error) {
    process.stderr.write(`wdockd: ${DockError.from(error).message}\n`);
    return 1;
  }
}

interface End {
  readonly signal: AbortSignal;
  readonly reason: Promise<void>;
  failed: boolean;
  now(why: string): void;
}

/** SIGTERM or SIGINT; a second one does not wait for good order. */
function endSignal(): End {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const now = (why: string) => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort(new DockError('cancelled', why));
    resolve();
  };
  process.on('SIGTERM', () => now('SIGTERM'));
  process.on('SIGINT', () => now('SIGINT'));
  return { signal: controller.signal, reason: promise, failed: false, now };
}

/**
 * A rejection that nobody handles is a defect of ours, in one trip or one connection; the daemon and everything
 * else it serves goes on. After an exception that nobody caught no state can be relied on: it ends, systemd starts
 * it again, and it finds its QEMUs and journals.
 */
function watchForDefects(daemon: Wdockd, end: End): void {
  process.on('unhandledRejection', (reason) => {
    daemon.log.error({ err: DockError.from(reason) }, 'a defect: a rejection that nobody handled');
  });
  process.on('uncaughtException', (error) => {
    daemon.log.fatal({ err: error }, 'a defect: an exception that nobody caught; wdockd ends');
    end.failed = true;
    end.now('a defect');
  });
}
