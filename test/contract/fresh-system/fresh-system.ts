import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { buildAgentPackage } from '../../../packaging/agent/build.ts';
import { buildHostPackage } from '../../../packaging/host/build.ts';
import { cacheFolder } from '../../lab/cache/cache-folder.ts';
import { runCommand } from '../../lab/run-command.ts';
import { FreshMachine } from './fresh-machine.ts';
import { FreshTree, type Release, releases } from './fresh-tree.ts';

const within = (seconds: number) => AbortSignal.timeout(seconds * 1000);

/** An ordinary apt would ask; and what is only recommended is not needed. */
const quietly = ['--yes', '--quiet=2', '--no-install-recommends'];
const inTree = '/root/wireless-dock.deb';
const laterInTree = '/root/wireless-dock-later.deb';
const agentInTree = '/root/wireless-dock-agent.deb';
const disk = '/home/work.qcow2';

/** Mounts, and users as a system has them: root of a user namespace has neither. */
const isRealRoot =
  process.geteuid?.() === 0 && /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));

/** The package $1 as $2, a later version of it that ships another configuration. $3: a folder for that */
const makeLater = `
dpkg-deb --raw-extract "$1" "$3"
sed -i 's/^Version: .*/&+later/' "$3/DEBIAN/control"
echo '# of the later version' >>"$3/etc/wireless-dock/wdockd.yaml"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$3" "$2"`;

/** What a user of zsh sees who types $1 and presses the tabulator, until $2 is there. */
const completeInZsh = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -Uz compinit; compinit -u -D; echo ready-$((1 + 1))'
zpty -r shell said '*ready-2*'
zpty -n -w shell "$1"$'\\t'
zpty -r shell said "*$2*"
print -r -- $said`;

/** The life of the host's package on a computer that has just been installed. */
export function describeFreshSystem(release: Release): void {
  describe.runIf(isRealRoot)(`a fresh ${release}`, { timeout: 300_000 }, () => {
    const { qemuFrom } = releases[release];
    const target = qemuFrom === undefined ? [] : [`--target-release=${qemuFrom}`];
    const stack = new AsyncDisposableStack();
    let tree: FreshTree;
    let machine: FreshMachine;
    let dependencies: string;
    /** All files, before it was installed and with its dependencies there. */
    let before: string[];
    /** The processes of the virtual machine. */
    let running: string;

    const run = (...argv: string[]) => machine.run(argv, within(120));
    const shell = (script: string) => run('sh', '-euc', script);
    const install = () => run('apt-get', 'install', ...quietly, inTree);
    /** As unattended upgrades do, which nobody can be asked. */
    const upgrade = (deb: string) =>
      run('apt-get', 'install', ...quietly, '--option=Dpkg::Options::=--force-confold', deb);
    const processes = () => shell('cat /run/wireless-dock/work/*.pid.json');
    const stateOfWork = async () => {
      const { status } = JSON.parse(await run('wdock', '--json', 'workspace', 'show', 'work')) as {
        status: { state: string };
      };
      return status.state;
    };
    /** Logs, caches and what dpkg notes of itself go on growing. */
    const listFiles = async () => {
      const changing = /^\/(var\/(log|cache|tmp)|var\/lib\/(dpkg|apt|systemd)|tmp|root)\//;
      const files = await run('find', '/', '-xdev', '-printf', '%p %y %m %U:%G\n');
      return files
        .split('\n')
        .filter((line) => !changing.test(line))
        .sort();
    };

    beforeAll(async () => {
      const signal = within(600);
      const folder = await mkdtemp(join(tmpdir(), 'wdp-'));
      stack.defer(() => rm(folder, { recursive: true, force: true }));
      const { path } = await buildHostPackage(folder, 'quick');
      tree = stack.use(await FreshTree.unpack(release, cacheFolder(), () => undefined, signal));
      await copyFile(path, join(tree.root, inTree));
      const later = [
        'sh',
        '-euc',
        makeLater,
        'sh',
        path,
        join(tree.root, laterInTree),
        join(folder, 'later'),
      ];
      await runCommand(later, {}, signal);
      await copyFile((await buildAgentPackage(folder, 'quick')).path, join(tree.root, agentInTree));
      // The machine has no way out, so what it needs is fetched before it is booted.
      await tree.run(['apt-get', 'update', '--quiet=2'], signal);
      const needed = (await tree.run(['dpkg-deb', '--field', inTree, 'Depends'], signal)).trim();
      dependencies = `${needed}, libtss2-esys-3.0.2-0, libtss2-rc0, swtpm`;
      await tree.run(['apt-get', 'satisfy', ...quietly, '--download-only', ...target, dependencies], signal);
    }, 600_000);

    afterAll(async () => {
      await stack.disposeAsync();
    }, 60_000);

    it.runIf(qemuFrom !== undefined)('is told that it needs a newer QEMU than its own', async () => {
      const said = await tree.run(
        ['sh', '-c', `apt-get install --no-install-recommends --simulate ${inTree} 2>&1; test $? != 0`],
        within(60),
      );
      expect(said).toMatch(/qemu-system-x86 \(>= 1:10\.0\)/);
    });

    it("installs the agent's package with apt, runs it on its own Node, and keeps nothing of it", async () => {
      const apt = (...argv: string[]) => tree.run(['apt-get', ...argv], within(240));
      const files = () => tree.run(['find', '/', '-xdev', '-name', '*wireless-dock-agent*'], within(60));
      await apt('install', ...quietly, agentInTree);
      expect(await tree.run(['wdock-agent', '--help'], within(60))).toMatch(/^usage: wdock-agent /i);
      expect(await files()).toContain('/usr/lib/systemd/system/wireless-dock-agent.service\n');
      expect((await files()).match(/multi-user\.target\.wants/)).not.toBeNull();
      await apt('purge', '--yes', '--quiet=2', 'wireless-dock-agent');
      expect((await files()).trim()).toBe(agentInTree);
    });

    it('has all that the package depends on', async () => {
      await tree.run(['apt-get', 'install', ...quietly, '--simulate', ...target, inTree], within(60));
      machine = stack.use(await FreshMachine.boot(tree.root, within(120)));
      await run('apt-get', 'satisfy', ...quietly, ...target, dependencies);
      await shell('useradd member; useradd stranger');
      before = await listFiles();
    });

    it('installs it with apt from the file, and the service is ready when apt is', async () => {
      expect(await install()).toMatch(/this device is a laptop/);
      expect(await run('wdock', 'status')).toMatch(/^device: {2}.*, a laptop/);
      expect((await run('systemctl', 'is-active', 'wdockd')).trim()).toBe('active');
      expect((await run('systemctl', 'is-enabled', 'wdockd')).trim()).toBe('enabled');
    });

    it('has all in order for wdock doctor, or is told what to do', async () => {
      const { checks } = JSON.parse(await run('wdock', '--json', 'doctor')) as {
        checks: { name: string; state: string; remedy?: string }[];
      };
      expect(checks.filter(({ state }) => state === 'failed')).toEqual([]);
      expect(checks.filter(({ state, remedy }) => state !== 'ok' && remedy === undefined)).toEqual([]);
    });

    it('lets nobody use wdock but root and the members of the group', async () => {
      await run('gpasswd', '--add', 'member', 'wireless-dock');
      const as = (user: string, ...argv: string[]) => run('runuser', '-u', user, '--', ...argv);
      await expect(as('stranger', 'wdock', 'status')).rejects.toThrow(/member of the group wireless-dock/);
      await expect(as('stranger', 'cat', '/var/lib/wireless-dock/log/wdockd.log')).rejects.toThrow(/denied/);
      await expect(as('member', 'cat', '/var/lib/wireless-dock/identity/device.key')).rejects.toThrow(
        /denied/,
      );
      await as('member', 'wdock', 'status');
      expect(await as('member', 'wdock', 'logs')).toContain('ready');
      await run('gpasswd', '--delete', 'member', 'wireless-dock');
    });

    it('is on the system bus, where every user may look, and without polkit nobody but root may do anything', async () => {
      const stranger = ['runuser', '-u', 'stranger', '--'];
      const manager = ['org.wirelessdock.Host1', '/org/wirelessdock/Host1', 'org.wirelessdock.Host1'];
      const offer = ['busctl', 'call', ...manager, 'OfferPairing', 'ss', '', ''];
      expect(await run(...stranger, 'busctl', 'get-property', ...manager, 'Version')).toMatch(/^s "\d/);
      await expect(run(...stranger, ...offer)).rejects.toThrow(/Access denied/);
      expect(await run(...offer)).toMatch(/^suas "\d{6}" \d+ /);
    });

    it('knows every setting of the unit, which is as little exposed as docs/packages.md says', async () => {
      expect(await run('systemd-analyze', 'verify', '--man=no', 'wdockd.service')).toBe('');
      await run('systemd-analyze', 'security', '--threshold=38', '--no-pager', 'wdockd.service');
    });

    it('announces itself within the limits of the unit, as long as there is a device that may know', async () => {
      const { certificatePem } = await generateIdentity('pad');
      await writeFile(join(tree.root, 'root/pad.pem'), certificatePem);
      const fingerprint = new X509Certificate(certificatePem).fingerprint256;
      const announcing = () => run('ss', '--numeric', '--no-header', '--udp', '--listening', 'sport = :5353');
      expect(await announcing()).toBe('');
      const address = ['--address', '192.0.2.8'];
      await run('wdock', 'devices', 'add', '/root/pad.pem', '--fingerprint', fingerprint, ...address);
      await expect.poll(announcing, { timeout: 60_000 }).toMatch(/224\.0\.0\.251:5353/);
      await run('wdock', 'devices', 'forget', 'pad');
      await expect.poll(announcing, { timeout: 60_000 }).toBe('');
      await run('rm', '/root/pad.pem');
    });

    it('has its private key sealed by a TPM, within the limits of the unit', async () => {
      const config = '/etc/wireless-dock/wdockd.yaml';
      const dropIn = '/run/systemd/system/wdockd.service.d';
      const socket = 'type=unixio,path=/run/tpm/tpm';
      const restart = async () => {
        await run('systemctl', 'restart', 'tpm'); // without a kernel's resource manager it has no room for many programs
        await run('systemctl', 'restart', 'wdockd');
        const { checks } = JSON.parse(await run('wdock', '--json', 'doctor')) as {
          checks: { name: string; detail: string }[];
        };
        return {
          check: checks.find(({ name }) => name === 'private key')?.detail,
          files: await run('ls', '/var/lib/wireless-dock/identity'),
          certificate: await run('wdock', 'devices', 'certificate'),
        };
      };
      const certificate = await run('wdock', 'devices', 'certificate');
      await shell(`mkdir -p /run/tpm/state ${dropIn}; cp -p ${config} /run/tpm/`);
      await run(
        ...['systemd-run', '--quiet', '--unit=tpm', '--property=Type=forking', '--', 'swtpm', 'socket'],
        ...[
          '--tpm2',
          '--daemon',
          '--tpmstate',
          'dir=/run/tpm/state',
          '--flags',
          'not-need-init,startup-clear',
        ],
        ...['--server', socket, '--ctrl', `${socket}.ctrl`],
      );
      const environment = '[Service]\\nEnvironment=SYSTEMD_TPM2_DEVICE=swtpm:path=/run/tpm/tpm\\n';
      await shell(`printf '${environment}' >${dropIn}/tpm.conf; systemctl daemon-reload`);
      for (const _start of ['makes', 'opens']) {
        expect(await restart()).toEqual({
          check: expect.stringMatching(/^sealed by the TPM/),
          files: 'device.crt\ndevice.key.sealed\n',
          certificate,
        });
      }
      await shell(`printf 'identity: {tpm: off}\\n' >>${config}`);
      expect(await restart()).toMatchObject({ files: 'device.crt\ndevice.key\n', certificate });
      await shell(`cp -p /run/tpm/wdockd.yaml ${config}; rm -r ${dropIn}; systemctl daemon-reload`);
      expect(await restart()).toMatchObject({ check: expect.stringMatching(/no TPM 2\.0$/), certificate });
      await shell('systemctl stop tpm; rm -r /run/tpm');
    });

    it('shows the manual pages, and its shells read the completions', async () => {
      expect(await shell('man --warnings wdock 2>&1')).toMatch(/^WDOCK\(1\)/);
      expect(await shell('man --warnings wdockd 2>&1')).toMatch(/^WDOCKD\(8\)/);
      await run('bash', '-n', '/usr/share/bash-completion/completions/wdock');
      const first = [
        'create',
        'force-owner',
        'forget-memory',
        'help',
        'list',
        'remove',
        'show',
        'start',
        'stop',
      ];
      const commands = [...first, 'warm-up'];
      const offered = await run(
        'zsh',
        '-fc',
        completeInZsh,
        'zsh',
        'wdock workspace ',
        'send its memory ahead',
      );
      expect([...offered.matchAll(/([a-z][a-z-]*) +-- /g)].map(([, name]) => name)).toEqual(commands);
    });

    it('keeps a virtual machine running while wdockd is restarted, killed and installed again', async () => {
      await run('qemu-img', 'create', '-q', '-f', 'qcow2', disk, '64M');
      const shape = ['--base-memory', '256', '--max-plugged-memory', '256', '--max-vcpus', '1'];
      await run('wdock', 'workspace', 'create', 'work', '--disk', disk, ...shape);
      await run('wdock', 'workspace', 'start', 'work');
      running = await processes();
      const runsOn = async () => {
        expect(await stateOfWork()).toBe('here');
        expect(await processes()).toBe(running);
      };
      await run('systemctl', 'restart', 'wdockd');
      await runsOn();
      await run('systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'wdockd');
      await run('systemctl', 'restart', 'wdockd');
      await runsOn();
      await run('apt-get', 'install', ...quietly, '--reinstall', inTree);
      await runsOn();
    });

    it('keeps the virtual machine and a changed configuration when a later version is installed', async () => {
      const config = '/etc/wireless-dock/wdockd.yaml';
      await run('sed', '-i', 's/class: laptop/class: desktop/', config);
      const wdockd = await run('systemctl', 'show', '--property=MainPID', 'wdockd');
      await upgrade(laterInTree);
      expect(await run('dpkg-query', '--show', 'wireless-dock')).toMatch(/\+later$/m);
      expect(await run('systemctl', 'show', '--property=MainPID', 'wdockd')).not.toBe(wdockd);
      expect(await run('wdock', 'status')).toMatch(/^device: {2}.*, a desktop/);
      expect(await run('cat', `${config}.dpkg-dist`)).toContain('# of the later version');
      expect(await stateOfWork()).toBe('here');
      expect(await processes()).toBe(running);
    });

    it('says at a purge which machine runs and which workspaces stay, and touches neither', async () => {
      const said = await run('apt-get', 'purge', '--yes', '--quiet=2', 'wireless-dock');
      expect(said).toMatch(/machine of the workspace work runs on/);
      expect(said).toMatch(/workspaces stay, with their disks: work/);
      expect(await processes()).toBe(running);
      await install();
      expect(await stateOfWork()).toBe('here');
      expect(await processes()).toBe(running);
    });

    it('is as it was, after the workspace is gone and the package purged', async () => {
      await run('wdock', 'workspace', 'stop', 'work', '--force');
      await shell(`rm -r ${disk} /var/lib/wireless-dock/workspaces`);
      await run('apt-get', 'remove', '--yes', '--quiet=2', 'wireless-dock');
      await expect(run('systemctl', 'is-active', 'wdockd')).rejects.toThrow();
      await run('test', '-e', '/etc/wireless-dock/wdockd.yaml');
      await run('apt-get', 'purge', '--yes', '--quiet=2', 'wireless-dock');
      expect(await listFiles()).toEqual(before);
      await expect(run('getent', 'group', 'wireless-dock')).rejects.toThrow();
      expect(await shell('find /run -name "*wireless-dock*" -o -name "*wdock*"')).toBe('');
      expect(await run('ip', '-brief', 'link')).not.toContain('wd-');
    });
  });
}
