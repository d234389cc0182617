import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildAgentPackage } from '../../../packaging/agent/build.ts';
import { buildHostPackage } from '../../../packaging/host/build.ts';

const execute = promisify(execFile);
const out = async (program: string, ...args: string[]) => (await execute(program, args)).stdout;
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const project = join(import.meta.dirname, '../../..');

let folder: string;
let host: string;
let agent: string;
/** Where the files of the host's package are. */
let tree: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdp-'));
  host = (await buildHostPackage(folder, 'quick')).path;
  agent = (await buildAgentPackage(folder)).path;
  tree = join(folder, 'tree');
  await out('dpkg-deb', '--extract', host, tree);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs the package's own Node on one of its programs. */
const runPackaged = async (program: string, ...args: string[]) =>
  await out(
    join(tree, 'usr/lib/wireless-dock/node'),
    join(tree, 'usr/share/wireless-dock', program),
    ...args,
  );

const modeOf = (listing: string, path: string) =>
  listing
    .split('\n')
    .find((line) => line.endsWith(` ./${path}`))
    ?.slice(0, 10);

describe('the package of the host side', () => {
  it('belongs to root, with programs that can be run and nothing that others may write', async () => {
    const listing = await out('dpkg-deb', '--contents', host);
    const lines = listing.trim().split('\n');
    expect(lines.filter((line) => !/^[-d]rw.r-.r-. root\/root /.test(line))).toEqual([]);
    for (const program of ['usr/bin/wdock', 'usr/sbin/wdockd', 'usr/lib/wireless-dock/node'])
      expect(modeOf(listing, program), program).toBe('-rwxr-xr-x');
    for (const file of [
      'etc/wireless-dock/wdockd.yaml',
      'usr/lib/systemd/system/wdockd.service',
      'usr/lib/systemd/user/wireless-dock-notify.service',
      'usr/lib/sysusers.d/wireless-dock.conf',
      'usr/share/dbus-1/system.d/org.wirelessdock.Host1.conf',
      'usr/share/dbus-1/interfaces/org.wirelessdock.Host1.Trip.xml',
      'usr/share/polkit-1/actions/org.wirelessdock.policy',
      'usr/share/polkit-1/rules.d/50-wireless-dock.rules',
      'usr/lib/systemd/logind.conf.d/50-wireless-dock.conf',
      'usr/lib/systemd/network/50-wireless-dock.network',
      'usr/share/wireless-dock/policies/mid.yaml',
      'usr/share/man/man1/wdock.1.gz',
      'usr/share/man/man8/wdockd.8.gz',
      'usr/share/bash-completion/completions/wdock',
      'usr/share/zsh/vendor-completions/_wdock',
      'usr/share/doc/wireless-dock/hand-over.md',
    ])
      expect(modeOf(listing, file), file).toBe('-rw-r--r--');
  });

  it('has documentation whose links lead to files that are in it', async () => {
    const docs = join(tree, 'usr/share/doc/wireless-dock');
    const pages = (await readdir(docs, { recursive: true })).filter((path) => path.endsWith('.md'));
    expect(pages).toContain('decisions/0002-target-chooses.md');
    const dead: string[] = [];
    for (const page of pages) {
      const text = await readFile(join(docs, page), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const path = resolve(docs, dirname(page), target);
        if (!path.startsWith(`${docs}/`) || !(await isThere(path))) dead.push(`${page}: ${target}`);
      }
    }
    expect(dead).toEqual([]);
  });

  it('leaves the configuration to its administrator', async () => {
    expect(await out('dpkg-deb', '--info', host, 'conffiles')).toBe('/etc/wireless-dock/wdockd.yaml\n');
    const config = join(tree, 'etc/wireless-dock/wdockd.yaml');
    expect(await runPackaged('wdockd.mjs', '--check-config', '--config', config)).toBe('');
  });

  it('depends on the programs that wdockd runs', async () => {
    const depends = await out('dpkg-deb', '--field', host, 'Depends');
    const packages = depends.split(', ').map((each) => each.trim().split(' ')[0]);
    const text = await readFile(join(project, 'host-plugins/system/process/package-of-program.ts'), 'utf8');
    const named = [...text.matchAll(/^ {2}\S+: '([\w-]+)/gm)].map(([, name]) => name);
    // In every Debian that is run by systemd.
    const always = ['procps'];
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !packages.includes(name) && !always.includes(name ?? ''))).toEqual([]);
    expect(depends).toContain('qemu-system-x86 (>= 1:10.0)');
  });

  it('runs on its own Node, without the work tree', async () => {
    expect(await runPackaged('wdock.mjs', 'version')).toMatch(/^wdock \d+\.\d+\.\d+ \(Node v24\./);
    expect(await runPackaged('wdockd.mjs', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    const facts = JSON.parse(await runPackaged('print-system-facts.mjs')) as object;
    expect(facts).toMatchObject({ cpus: { logical: expect.any(Number) } });
    const shared = join(tree, 'usr/share/wireless-dock');
    await expect(out('grep', '-rlF', project, shared)).rejects.toMatchObject({ code: 1 });
    await out('grep', '-rqF', '"/usr/share/wireless-dock/policies/"', shared);
  });

  it('has the licence of each package whose code is in it', async () => {
    const copyright = await readFile(join(tree, 'usr/share/doc/wireless-dock/copyright'), 'utf8');
    for (const name of ['commander', 'dbus-next', 'inversify', 'pino', 'ws', 'zod'])
      expect(copyright).toMatch(new RegExp(`^${name} \\d.*: MIT$`, 'm'));
  });

  it('is the same, byte for byte, when it is built again', async () => {
    const again = join(folder, 'again');
    const second = await buildHostPackage(again, 'quick');
    await out('cmp', host, second.path);
  });
});

describe('the package of the agent', () => {
  it('has the agent, its units and its manual page', async () => {
    const listing = await out('dpkg-deb', '--contents', agent);
    expect(modeOf(listing, 'usr/bin/wdock-agent')).toBe('-rwxr-xr-x');
    for (const file of [
      'usr/lib/wireless-dock-agent/agent.cjs',
      'usr/lib/systemd/system/wireless-dock-agent.service',
      'usr/lib/systemd/user/wireless-dock-agent-session.service',
      'usr/share/dbus-1/system.d/org.wirelessdock.Agent1.conf',
      'usr/share/man/man8/wdock-agent.8.gz',
    ])
      expect(modeOf(listing, file), file).toBe('-rw-r--r--');
  });
});

it('lintian finds no error in either package', async () => {
  // It leaves some of its temporary files.
  await out('env', `TMPDIR=${folder}`, 'lintian', '--fail-on', 'error', '--allow-root', host, agent);
});

it.each([
  ['wdockd', 'packaging/host/wdockd.service', 38],
  ['the agent', 'packaging/agent/wireless-dock-agent.service', 30],
])('the unit of %s is no more exposed than it says', async (_name, unit, tenths) => {
  await out(
    'systemd-analyze',
    ...['security', '--offline=true', `--threshold=${tenths}`, '--no-pager', join(project, unit)],
  );
});

/** Namespaces in which udev is asked, with our files in them or without. $1: the folder of them, or nothing */
const askUdev = `
mount -t sysfs none /sys
for folder in /run/systemd /run/udev; do mkdir -p $folder; mount -t tmpfs none $folder; done
mkdir -p /run/systemd/network /run/udev/rules.d
if [ -n "$1" ]; then
  cp "$1"/systemd/network/* /run/systemd/network/
  cp "$1"/udev/rules.d/* /run/udev/rules.d/
fi
ip tuntap add dev wd-work mode tap
ip link set dev wd-work address fe:54:00:12:34:56
udevadm test --action=add /sys/class/net/wd-work 2>/dev/null`;

it.skipIf(process.getuid?.() !== 0)(
  'the taps of machines are left alone by udev and NetworkManager',
  async () => {
    const ask = (files: string) => out('unshare', '--net', '--mount', 'sh', '-euc', askUdev, 'sh', files);
    expect(await ask('')).toMatch(/ID_NET_LINK_FILE=\S*99-default\.link/);
    const said = await ask(join(tree, 'usr/lib'));
    expect(said).toMatch(/ID_NET_LINK_FILE=\S*50-wireless-dock\.link/);
    expect(said).toMatch(/\bNM_UNMANAGED=1\b/);
    const link = await readFile(join(tree, 'usr/lib/systemd/network/50-wireless-dock.link'), 'utf8');
    expect(link).toMatch(/^MACAddressPolicy=none$/m);
  },
);

describe('the completion of bash', () => {
  const complete = async (...words: string[]) => {
    const script = join(folder, 'complete.sh');
    // What bash does when the key is pressed behind the last word.
    await writeFile(
      script,
      `wdock() { printf 'NAME STATE\\nalpha here\\nbeta there\\n'; }
       source "$1"; shift
       COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wdock; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    const completion = join(tree, 'usr/share/bash-completion/completions/wdock');
    const offered = await out('bash', script, completion, ...words);
    return offered.trim().split('\n');
  };

  it.each([
    [
      ['wdock', 'do'],
      ['dock', 'doctor'],
    ],
    [
      ['wdock', '--json', 'workspace', 'st'],
      ['start', 'stop'],
    ],
    [['wdock', '--config', '/x', 'policy', 'c'], ['check']],
    [['wdock', 'workspace', 'create', 'x', '--base'], ['--base-memory']],
    [['wdock', 'dock', 'a'], ['alpha']],
    [
      ['wdock', 'dock', '-w', ''],
      ['alpha', 'beta'],
    ],
    [['wdock', 'workspace', 'start', 'b'], ['beta']],
    [['wdock', 'workspace', 'create', ''], ['']],
  ])('behind %j offers %j', async (words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });
});
