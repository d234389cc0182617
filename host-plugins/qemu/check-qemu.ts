import type { Check } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { run } from '../system/process/run.ts';
import { readAccelerator } from './accelerator.ts';

/** Each question takes QEMU a fraction of a second, ms. */
const answerMs = 30_000;

/** Older ones lose pages of virtio-mem guests in live migrations. */
const minimum = { major: 10, minor: 0 } as const;

const installQemu = 'install qemu-system-x86 10.0 or newer; on Debian 12 from bookworm-backports';

/**
 * What of QEMU this host has and lacks, for `wdock doctor` and the daemon's start; never throws but for an
 * abort.
 */
export async function checkQemu(signal: AbortSignal): Promise<Check[]> {
  const checks = [
    await check('qemu', installQemu, signal, () => checkVersion('qemu-system-x86_64', signal)),
    await check('qemu-storage-daemon', installQemu, signal, () =>
      checkVersion('qemu-storage-daemon', signal),
    ),
    await check('qemu-display', 'install qemu-system-modules-opengl (it has ui-dbus.so)', signal, () =>
      checkListed(['qemu-system-x86_64', '-display', 'help'], 'dbus', 'the D-Bus display', signal),
    ),
    await check('qemu-nbd-client', installQemu, signal, () =>
      checkListed(
        ['qemu-system-x86_64', '-machine', 'none', '-drive', 'format=help'],
        'nbd',
        'NBD disks',
        signal,
      ),
    ),
  ];
  const { accelerator, reason } = await readAccelerator();
  checks.push(
    accelerator === 'kvm'
      ? { name: 'accelerator', state: 'ok', detail: `KVM: ${reason}` }
      : {
          name: 'accelerator',
          state: 'warning',
          detail: `emulation (TCG), many times slower than KVM: ${reason}`,
          remedy:
            'enable virtualisation in the firmware, load kvm_intel or kvm_amd, and let wdockd open /dev/kvm',
        },
  );
  return checks;
}

/** Throws `missing-dependency` with all that is missing; for who cannot do without. */
export async function requireQemu(signal: AbortSignal): Promise<void> {
  const failed = (await checkQemu(signal)).filter(({ state }) => state === 'failed');
  if (failed.length === 0) return;
  const lines = failed.map(
    ({ name, detail, remedy }) => `${name}: ${detail}${remedy === undefined ? '' : `; ${remedy}`}`,
  );
  throw new DockError('missing-dependency', lines.join('\n'), { detail: { checks: failed } });
}

/** `QEMU emulator version 10.0.2 (Debian …)`, `qemu-storage-daemon version 10.0.2 (…)` */
export function parseVersion(output: string): { major: number; minor: number; text: string } | undefined {
  const match = /version (\d+)\.(\d+)(\.\d+)?/.exec(output);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), text: match[0].slice('version '.length) };
}

export function isNewEnough(version: { major: number; minor: number }): boolean {
  return version.major > minimum.major || (version.major === minimum.major && version.minor >= minimum.minor);
}

async function check(
  name: string,
  remedy: string,
  signal: AbortSignal,
  ask: () => Promise<string>,
): Promise<Check> {
  try {
    return { name, state: 'ok', detail: await ask() };
  } catch (error) {
    if (signal.aborted) throw error;
    return { name, state: 'failed', detail: DockError.from(error).message, remedy };
  }
}

async function checkVersion(program: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await run([program, '--version'], { timeoutMs: answerMs, signal });
  const version = parseVersion(stdout);
  if (version === undefined) throw new DockError('missing-dependency', `${program} does not say its version`);
  if (isNewEnough(version)) return `version ${version.text}`;
  throw new DockError(
    'missing-dependency',
    `version ${version.text} is too old: ${minimum.major}.${minimum.minor} is needed`,
  );
}

async function checkListed(argv: string[], word: string, what: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await run(argv, { timeoutMs: answerMs, signal });
  if (stdout.split(/\s+/).includes(word)) return `has ${what}`;
  throw new DockError('missing-dependency', `this QEMU lacks ${what}`);
}
