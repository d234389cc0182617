import './engine-flags.ts';
import { parseArgs } from 'node:util';
import { DockError } from '../../protocol/dock-error.ts';
import { forbidCoreDumps } from '../visit/forbid-core-dumps.ts';
import { requirePolicyFolders, requireProfile } from './check-config.ts';
import { type DaemonConfig, defaultConfigPath } from './config.ts';
import { shippedModules } from './container.ts';
import { loadConfig } from './load-config.ts';
import { tellSystemdReady } from './tell-systemd.ts';
import { wdockdUsage } from './usage.ts';
import { version } from './version.ts';
import { startWdockd, type Wdockd } from './wdockd.ts';

/** prlimit(1) answers at once, ms. */
const forbidLimitMs = 10_000;

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
    await forbidCoreDumps(AbortSignal.any([ended.signal, AbortSignal.timeout(forbidLimitMs)]));
    await serve(config, ended);
    if (ended.renewing) beginAnew();
    return ended.failed || ended.renewing ? 1 : 0;
  } catch (error) {
    process.stderr.write(`wdockd: ${DockError.from(error).message}\n`);
    return 1;
  }
}

async function serve(config: DaemonConfig, ended: End): Promise<void> {
  const renew = (why: string): void => {
    ended.renewing = true;
    ended.now(why);
  };
  await using daemon = await startWdockd(
    config,
    { modules: shippedModules, logToStdout: true, renew },
    ended.signal,
  );
  watchForDefects(daemon, ended);
  await tellSystemdReady(process.env, ended.signal);
  await ended.reason;
}

interface End {
  readonly signal: AbortSignal;
  readonly reason: Promise<void>;
  failed: boolean;
  /** It ends to begin anew. */
  renewing: boolean;
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
  const end: End = { signal: controller.signal, reason: promise, failed: false, renewing: false, now };
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (end.renewing) end.renewing = false;
      else now(name);
    });
  }
  return end;
}

/**
 * The same program in the same process, with nothing of its memory (renewal.ts). Whoever started this process sees no
 * end of it. A VM that it started and that ends later stays in the process table until wdockd ends. Returns where
 * that cannot be done; a service manager then starts it again.
 */
function beginAnew(): void {
  const { execPath, execArgv, argv } = process;
  process.execve?.(execPath, [execPath, ...execArgv, ...argv.slice(1)], process.env);
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
