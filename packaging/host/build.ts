import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { wdockdUsage } from '../../host-plugins/daemon/usage.ts';
import {
  deviceShape,
  managerShape,
  tripShape,
  workspaceShape,
} from '../../host-plugins/host-bus/host-shapes.ts';
import { describeInterfaceFile } from '../../host-plugins/system/dbus/dbus-interface.ts';
import { buildPackage, type Compression, epochS, type PackageTree } from '../deb/build-package.ts';
import { runTool } from '../deb/run-tool.ts';
import { withoutOutsideLinks } from '../help/package-page.ts';
import { describeWdock } from '../help/program-help.ts';
import { renderBashCompletion } from '../help/render-bash-completion.ts';
import { renderCommandPage, renderUsagePage } from '../help/render-man.ts';
import { renderZshCompletion } from '../help/render-zsh-completion.ts';
import { bundleHost } from './bundle-host.ts';
import { writeCopyright } from './copyright.ts';

const here = import.meta.dirname;
const project = join(here, '../..');
const name = 'wireless-dock';

/** Makes the Debian package of wdockd and wdock, with the Node that they run on, and returns its path and version. */
export async function buildHostPackage(
  outputFolder?: string,
  compression?: Compression,
): Promise<{ path: string; version: string }> {
  const recipe = { name, architecture: 'amd64', controlFile: join(here, 'control'), fill } as const;
  return await buildPackage(recipe, outputFolder, compression);
}

async function fill(tree: PackageTree, version: string): Promise<void> {
  const copy = (source: string, target: string) => tree.copy(join(here, source), target);
  const shared = `usr/share/${name}`;
  const bundled = await bundleHost(join(tree.root, shared), `/${shared}/policies`);
  await tree.write(`usr/share/doc/${name}/copyright`, await writeCopyright(bundled));
  // The Node that the repository is developed on, without what only a debugger reads.
  const node = join(project, 'node_modules/node/bin/node');
  await runTool(['strip', '-o', await tree.place(`usr/lib/${name}/node`), node], 'binutils');
  await copy('wdock', 'usr/bin/wdock');
  await copy('wdockd', 'usr/sbin/wdockd');
  await copy('wdockd.service', 'usr/lib/systemd/system/wdockd.service');
  await copy('wireless-dock-notify.service', 'usr/lib/systemd/user/wireless-dock-notify.service');
  await copy('lintian-overrides', `usr/share/lintian/overrides/${name}`);
  await copy('sysusers.conf', `usr/lib/sysusers.d/${name}.conf`);
  await copy('logind.conf', `usr/lib/systemd/logind.conf.d/50-${name}.conf`);
  await copy('taps.link', `usr/lib/systemd/network/50-${name}.link`);
  await copy('taps.network', `usr/lib/systemd/network/50-${name}.network`);
  await copy('taps.rules', `usr/lib/udev/rules.d/85-${name}.rules`);
  await copy('wdockd.yaml', `etc/${name}/wdockd.yaml`);
  await tree.write('DEBIAN/conffiles', `/etc/${name}/wdockd.yaml\n`);
  await fillBus(tree);
  await copyFolder(tree, 'policies', `${shared}/policies`, /\.(yaml|json)$/);
  await copyPages(tree, 'docs', `usr/share/doc/${name}`);
  for (const script of ['postinst', 'prerm', 'postrm']) await copy(script, `DEBIAN/${script}`);
  await fillHelp(tree, version);
}

/** Who may own the name, who may do what by it, and what there is. */
async function fillBus(tree: PackageTree): Promise<void> {
  const copy = (source: string, target: string) => tree.copy(join(here, source), target);
  await copy('org.wirelessdock.Host1.conf', 'usr/share/dbus-1/system.d/org.wirelessdock.Host1.conf');
  await copy('org.wirelessdock.policy', 'usr/share/polkit-1/actions/org.wirelessdock.policy');
  await copy('wireless-dock.rules', `usr/share/polkit-1/rules.d/50-${name}.rules`);
  for (const shape of [managerShape, deviceShape, workspaceShape, tripShape])
    await tree.write(`usr/share/dbus-1/interfaces/${shape.name}.xml`, describeInterfaceFile(shape));
}

async function fillHelp(tree: PackageTree, version: string): Promise<void> {
  const wdock = describeWdock();
  const common = { version, dateS: epochS, files };
  const commandPage = renderCommandPage(
    {
      ...common,
      name: 'wdock',
      section: 1,
      summary: 'docks the virtual machine that you carry to the device that you sit at',
      seeAlso: ['wdockd(8)', 'wdock-agent(8)'],
    },
    wdock,
  );
  const daemonPage = renderUsagePage(
    {
      ...common,
      name: 'wdockd',
      section: 8,
      summary: 'serves the workspaces of this device',
      seeAlso: ['wdock(1)', 'systemctl(1)', 'qemu-system-x86_64(1)'],
    },
    wdockdUsage,
    'OPTIONS',
  );
  await tree.writeCompressed('usr/share/man/man1/wdock.1', commandPage);
  await tree.writeCompressed('usr/share/man/man8/wdockd.8', daemonPage);
  await tree.write('usr/share/bash-completion/completions/wdock', renderBashCompletion(wdock));
  await tree.write('usr/share/zsh/vendor-completions/_wdock', renderZshCompletion(wdock));
}

const files = [
  [`/etc/${name}/wdockd.yaml`, 'the configuration, read by wdockd and by wdock'],
  [`/etc/${name}/policies/`, 'policies of this device, before the shipped ones'],
  [`/usr/share/${name}/policies/`, 'the shipped policies'],
  ['/usr/share/polkit-1/actions/org.wirelessdock.policy', 'who may do what by D-Bus'],
  [`/var/lib/${name}/`, 'identity, trusted devices, workspaces, and the log'],
  [`/run/${name}/`, "wdock's socket, and what running virtual machines need"],
  [`/usr/share/doc/${name}/`, 'the documentation'],
] as const;

async function copyFolder(tree: PackageTree, from: string, to: string, which: RegExp): Promise<void> {
  const entries = await readdir(join(project, from), { withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile() && which.test(each.name)))
    await tree.copy(join(project, from, entry.name), `${to}/${entry.name}`);
}

async function copyPages(tree: PackageTree, from: string, to: string): Promise<void> {
  for (const path of (await readdir(join(project, from), { recursive: true })).toSorted()) {
    if (!path.endsWith('.md')) continue;
    const page = await readFile(join(project, from, path), 'utf8');
    await tree.write(`${to}/${path}`, withoutOutsideLinks(page, dirname(path)));
  }
}
