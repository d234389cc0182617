import { DockError } from '../../../protocol/dock-error.ts';
import { parseCertificate } from '../../pairing/fingerprint.ts';
import { type CommandRun, done } from '../command-context.ts';
import { readInputOrStandard } from '../read-input.ts';
import { renderDevices, simulatedMark } from '../render/render-status.ts';
import { parseTrust } from './pair.ts';

export async function listDevices(run: CommandRun): Promise<number> {
  const devices = await run.withDaemon((daemon) => daemon.call('devices.list', {}, { signal: run.signal }));
  run.print({ devices }, renderDevices(devices, run.terminal.columns));
  return done;
}

export interface AddOptions {
  readonly fingerprint: string;
  readonly address: string;
  readonly name?: string;
}

/** `file`: PEM, or `-` for standard input. */
export async function addDevice(run: CommandRun, file: string, options: AddOptions): Promise<number> {
  const certificatePem = await readInputOrStandard(file, run.signal);
  const name = options.name ?? commonName(certificatePem);
  const { fingerprint, address } = options;
  const device = await run.withDaemon((daemon) =>
    daemon.call('devices.add', { name, certificatePem, fingerprint, address }, { signal: run.signal }),
  );
  const reach = device.reachable
    ? 'it is reachable, and trusts this device, too'
    : 'it is not reachable now: it may be off, or not trust this device yet';
  run.print({ device }, `${device.name}${simulatedMark(device.simulated)} is trusted from now on; ${reach}.`);
  return done;
}

export async function trustDevice(run: CommandRun, name: string, level: string): Promise<number> {
  const trust = parseTrust(level);
  const device = await run
    .withDaemon((daemon) => daemon.call('devices.trust', { name, trust }, { signal: run.signal }))
    .catch((error: unknown) => refuseSelf(run, name, error));
  run.print({ device }, `${device.name}${simulatedMark(device.simulated)} is trusted as ${device.trust}.`);
  return done;
}

export async function forgetDevice(run: CommandRun, name: string): Promise<number> {
  await run
    .withDaemon((daemon) => daemon.call('devices.forget', { name }, { signal: run.signal }))
    .catch((error: unknown) => refuseSelf(run, name, error));
  run.print(
    { forgotten: name },
    `${name} is forgotten; its connections are closed, and it cannot make new ones.`,
  );
  return done;
}

/** The certificate goes to standard output, for a file; the fingerprint for people's eyes beside it. */
export async function showCertificate(run: CommandRun): Promise<number> {
  const own = await run.withDaemon((daemon) =>
    daemon.call('devices.certificate', {}, { signal: run.signal }),
  );
  if (run.json) run.print(own, '');
  else {
    run.printExactly(own.certificatePem.trim());
    run.terminal.err(`fingerprint: ${own.fingerprint}`);
  }
  return done;
}

/** `wdock devices` lists this device, too; that it is not among the others has to be said. */
function refuseSelf(run: CommandRun, name: string, error: unknown): never {
  if (name !== run.device?.name || DockError.from(error).kind !== 'not-found') throw error;
  throw new DockError('usage', `${name} is this device itself; name another one (\`wdock devices\`)`, {
    cause: error,
  });
}

/** wdockd puts the device's name into its certificate. */
function commonName(pem: string): string {
  const name = /^CN=(.+)$/m.exec(parseCertificate(pem).subject)?.[1];
  if (name !== undefined) return name;
  throw new DockError('usage', 'the certificate does not name its device; choose a name with --name');
}
