import { access } from 'node:fs/promises';
import { type DaemonConfig, defaultConfigPath } from '../daemon/config.ts';
import { loadConfig } from '../daemon/load-config.ts';

/** The options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly config?: string;
  readonly socket?: string;
}

/** Undefined when none was named and there is none in the usual place. */
export async function readConfig(
  options: GlobalOptions,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<DaemonConfig | undefined> {
  const named = options.config ?? environment['WDOCK_CONFIG'];
  if (named !== undefined) return await loadConfig(named, signal);
  const usual = await access(defaultConfigPath).then(
    () => true,
    () => false,
  );
  return usual ? await loadConfig(defaultConfigPath, signal) : undefined;
}

/** Where wdockd of this device listens for wdock: told, configured, or the usual place. */
export async function controlSocketPath(
  options: GlobalOptions,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const told = options.socket ?? (options.config === undefined ? environment['WDOCK_SOCKET'] : undefined);
  if (told !== undefined) return told;
  return (await readConfig(options, environment, signal))?.controlSocket ?? '/run/wireless-dock/wdockd.sock';
}
