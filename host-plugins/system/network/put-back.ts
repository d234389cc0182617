import { DockError } from '../../../protocol/dock-error.ts';
import { ipv4Settings, isIpv6, lanInterface, type NetworkBinding, type Setting } from './binding.ts';
import { stopDnsmasq } from './dhcp/dnsmasq.ts';
import { ipBatchUnlessGone, nft } from './ip-command.ts';
import { keepingRouters, readIpv6Forwarding, speaksIpv6 } from './ipv6-forwarding.ts';
import { readSettings, writeIfThere } from './kernel-settings.ts';
import type { NetworkRecord, NetworkRecords } from './network-record.ts';
import { buildRemoval } from './nft-rules.ts';
import { removePort } from './port-beside.ts';
import { findInterface } from './read-interfaces.ts';
import { tapSettings, withoutIpv6 } from './tap-settings.ts';

/** What the settings that guests share were before the first of them changed them. @param others the other guests */
export async function settingsBefore(
  binding: NetworkBinding,
  others: readonly NetworkRecord[],
  signal: AbortSignal,
): Promise<Setting[]> {
  const known = others.flatMap((record) => record.before);
  const lan = lanInterface(binding);
  const wanted =
    binding.mode === 'nat' || (binding.mode !== 'beside' && (binding.guestAddresses ?? []).some(isIpv6));
  const now = await readSettings(
    ipv4Settings(binding).map(({ name }) => name),
    signal,
  );
  if (wanted && (await speaksIpv6(lan, signal))) now.push(...(await readIpv6Forwarding(lan, signal)));
  return now.map((setting) => known.find(({ name }) => name === setting.name) ?? setting);
}

/**
 * Takes a tap off the LAN by what was written down of it, and removes that. Does all it can before it throws; the record
 * then stays, so that the next time tries again.
 */
export async function putBack(tap: string, records: NetworkRecords, signal: AbortSignal): Promise<void> {
  const record = await records.read(tap);
  const failures: DockError[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      failures.push(DockError.from(error));
    }
  };
  if (record?.binding.mode === 'routed') {
    const { guestAddresses, uplink } = record.binding;
    const proxies = guestAddresses.map((address) => ['neigh', 'delete', 'proxy', address, 'dev', uplink]);
    await attempt(() => ipBatchUnlessGone(proxies, signal));
  }
  if (record?.binding.mode === 'beside') await attempt(() => removePort(tap, signal));
  if (record?.relay !== undefined || record?.nat !== undefined) {
    await attempt(() => stopDnsmasq({ folder: records.folder, tap }, signal));
  }
  if ((await findInterface(tap, signal)) !== undefined) await separate(tap, attempt, signal);
  await attempt(() => nft(buildRemoval(tap), signal));
  if (record !== undefined) await attempt(() => restoreSettings(record, records, signal));
  const [first] = failures;
  if (first !== undefined) {
    throw new DockError(
      first.kind,
      `${tap} could not be taken off the network completely: ${first.message}`,
      { cause: first },
    );
  }
  await records.remove(tap);
}

async function separate(
  tap: string,
  attempt: (work: () => Promise<unknown>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const back = [
    ['link', 'set', 'dev', tap, 'nomaster'],
    ['route', 'flush', 'dev', tap],
    ['neigh', 'flush', 'dev', tap],
    ['address', 'flush', 'dev', tap],
  ];
  await attempt(() => ipBatchUnlessGone(back, signal));
  for (const setting of [...tapSettings(tap, 'bridged'), withoutIpv6(tap)]) {
    await attempt(() => writeIfThere(setting, signal));
  }
}

async function restoreSettings(
  record: NetworkRecord,
  records: NetworkRecords,
  signal: AbortSignal,
): Promise<void> {
  const others = await records.others(record.binding.tap);
  const stillUsed = new Set(others.flatMap((other) => other.before.map(({ name }) => name)));
  const unused = record.before.filter(({ name }) => !stillUsed.has(name));
  await keepingRouters(async () => {
    for (const setting of unused) await writeIfThere(setting, signal);
  }, signal);
}
