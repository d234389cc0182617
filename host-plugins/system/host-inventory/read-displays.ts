import { join } from 'node:path';
import type { DisplayFacts } from '../../../protocol/host-profile.ts';
import { parseEdid } from './parse-edid.ts';
import { listFolder, readAttribute, readBytes } from './read-attribute.ts';

/** Connectors that are built in (drm_connector_enum_list of the kernel). */
const builtIn = /^(eDP|LVDS|DSI|DPI)-/;

/**
 * The displays that are connected now: /sys/class/drm/cardN-CONNECTOR, its status and EDID. Read directly and
 * not through the desktop, because a host need not run one.
 */
export async function readDisplays(signal: AbortSignal, sysfs = '/sys'): Promise<DisplayFacts[]> {
  const folder = join(sysfs, 'class/drm');
  const connectors = (await listFolder(folder)).filter((name) => /^card\d+-/.test(name));
  const displays = await Promise.all(
    connectors.map(async (entry): Promise<DisplayFacts | undefined> => {
      if ((await readAttribute(join(folder, entry, 'status'), signal)) !== 'connected') return undefined;
      const connector = entry.replace(/^card\d+-/, '');
      const edid = parseEdid((await readBytes(join(folder, entry, 'edid'), signal)) ?? new Uint8Array());
      // Panels on DSI have no EDID; the driver still lists their mode, the preferred one first.
      const mode = edid ?? firstMode(await readAttribute(join(folder, entry, 'modes'), signal));
      if (mode === undefined) return undefined;
      const { widthPx, heightPx, widthMm, heightMm } = mode;
      const name = edid?.name === undefined ? connector : `${edid.name} (${connector})`;
      return { name, widthPx, heightPx, widthMm, heightMm, internal: builtIn.test(connector) };
    }),
  );
  return displays.filter((display) => display !== undefined);
}

function firstMode(modes: string | undefined) {
  const size = /^(\d+)x(\d+)/.exec(modes ?? '');
  if (size === null) return undefined;
  return { widthPx: Number(size[1]), heightPx: Number(size[2]), widthMm: 0, heightMm: 0 };
}
