import { join } from 'node:path';
import { agentShape, sessionShape } from '../../guest-agent/dbus/agent-interface.ts';
import { describeInterfaceFile } from '../../guest-agent/dbus/dbus-interface.ts';
import { agentUsage } from '../../guest-agent/usage.ts';
import { buildPackage, type Compression, epochS, type PackageTree } from '../deb/build-package.ts';
import { renderUsagePage } from '../help/render-man.ts';
import { bundleAgent } from './bundle-agent.ts';

const here = import.meta.dirname;
const name = 'wireless-dock-agent';

/** Makes the guest agent's Debian package and returns its path and version. */
export async function buildAgentPackage(
  outputFolder?: string,
  compression?: Compression,
): Promise<{ path: string; version: string }> {
  const recipe = { name, architecture: 'all', controlFile: join(here, 'control'), fill } as const;
  return await buildPackage(recipe, outputFolder, compression);
}

async function fill(tree: PackageTree, version: string): Promise<void> {
  const copy = (source: string, target: string) => tree.copy(join(here, source), target);
  const entry = join(here, '../../guest-agent/main.ts');
  await bundleAgent(entry, await tree.place(`usr/lib/${name}/agent.cjs`), version);
  await copy('wdock-agent', 'usr/bin/wdock-agent');
  await copy(`${name}.service`, `usr/lib/systemd/system/${name}.service`);
  await copy(`${name}-session.service`, `usr/lib/systemd/user/${name}-session.service`);
  await copy('org.wirelessdock.Agent1.conf', 'usr/share/dbus-1/system.d/org.wirelessdock.Agent1.conf');
  for (const shape of [agentShape, sessionShape])
    await tree.write(`usr/share/dbus-1/interfaces/${shape.name}.xml`, describeInterfaceFile(shape));
  await tree.writeCompressed('usr/share/man/man8/wdock-agent.8', manualPage(version));
  await copy('copyright', `usr/share/doc/${name}/copyright`);
  for (const script of ['postinst', 'prerm', 'postrm']) await copy(script, `DEBIAN/${script}`);
}

function manualPage(version: string): string {
  const frame = {
    name: 'wdock-agent',
    section: 8,
    summary: 'adapts this virtual machine to the host that it is on',
    version,
    dateS: epochS,
    files: [
      [`/usr/lib/systemd/system/${name}.service`, 'runs wdock-agent system'],
      [
        `/usr/lib/systemd/user/${name}-session.service`,
        'runs wdock-agent session for each graphical session',
      ],
      ['/usr/share/dbus-1/interfaces/org.wirelessdock.Agent1.xml', 'what applications can ask it'],
    ],
    seeAlso: ['systemctl(1)', 'busctl(1)'],
  } as const;
  return renderUsagePage(frame, agentUsage, 'COMMANDS');
}
