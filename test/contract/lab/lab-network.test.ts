import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { labAddresses, labMacs } from '../../lab/network/address-plan.ts';
import { FrameCapture } from '../../lab/network/frame-capture.ts';
import { GapProbe } from '../../lab/network/gap-probe.ts';
import { LabNetwork } from '../../lab/network/lab-network.ts';
import { measureRate } from '../../lab/network/measure-rate.ts';
import { sweepDeadRuns } from '../../lab/network/sweep.ts';

const soon = () => AbortSignal.timeout(30_000);

/** The processes that are in one of these network namespaces. */
async function processesIn(inodes: readonly number[]): Promise<number[]> {
  const wanted = new Set(inodes.map((inode) => `net:[${inode}]`));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`).catch(() => '')));
  return pids.filter((_, at) => wanted.has(links[at] ?? '')).map(Number);
}

/** Children of this process in another network namespace than its own: keepers of a lab's. */
async function childrenElsewhere(): Promise<number[]> {
  const own = await readlink('/proc/self/ns/net');
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent !== process.pid) continue;
    if ((await readlink(`/proc/${pid}/ns/net`).catch(() => own)) !== own) found.push(Number(pid));
  }
  return found;
}

const inodesOf = ({ lan, mid, pc, client }: LabNetwork) => [lan, mid, pc, client].map(({ inode }) => inode);

describe('the lab network', { timeout: 60_000 }, () => {
  it('is gone with all that ran in it when it is disposed', async () => {
    const network = await LabNetwork.create({}, soon());
    const inodes = inodesOf(network);
    await network.mid.run(['sh', '-c', 'setsid --fork sleep 3600 >/dev/null 2>&1'], soon());
    expect((await processesIn(inodes)).length).toBeGreaterThan(4);
    await network[Symbol.asyncDispose]();
    expect(await processesIn(inodes)).toEqual([]);
  });

  it('is gone with all that ran in it when its keepers were killed first', async () => {
    const network = await LabNetwork.create({}, soon());
    const inodes = inodesOf(network);
    await network.pc.run(['sh', '-c', 'setsid --fork sleep 3600 >/dev/null 2>&1'], soon());
    const keepers = [network.lan, network.mid, network.pc, network.client].map(({ keeperPid }) => keeperPid);
    for (const keeper of keepers) process.kill(keeper, 'SIGKILL');
    while ((await processesIn(inodes)).some((pid) => keepers.includes(pid))) await sleep(5);
    await network[Symbol.asyncDispose]();
    expect(await processesIn(inodes)).toEqual([]);
  });

  it('is gone when its making is stopped, however far it was', async () => {
    let stopped = 0;
    for (const afterMs of [1, 20, 40, 60, 80, 100]) {
      const stop = new AbortController();
      const creating = LabNetwork.create({}, stop.signal);
      await Promise.race([sleep(afterMs), creating.catch(() => undefined)]);
      stop.abort(new Error('enough'));
      try {
        await (await creating)[Symbol.asyncDispose]();
      } catch (error) {
        expect(error).toMatchObject({ kind: 'cancelled' });
        stopped++;
      }
      expect(await childrenElsewhere()).toEqual([]);
    }
    expect(stopped).toBeGreaterThan(0);
  });

  /** A process that has made a lab network and started something in it, and was then killed. */
  async function killOwner(): Promise<{ label: string; namespaces: number[] }> {
    const owner = spawn(process.execPath, [join(import.meta.dirname, 'lab-owner.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(owner.stdout, 'data', { signal: soon() });
    owner.kill('SIGKILL');
    await once(owner, 'close');
    return JSON.parse(String(said)) as { label: string; namespaces: number[] };
  }

  it('ends by itself when its owner was killed', async () => {
    const { namespaces } = await killOwner();
    await vi.waitFor(async () => expect(await processesIn(namespaces)).toEqual([]), 20_000);
  });

  it('has its files removed by the next run when its owner was killed', async () => {
    const { label, namespaces } = await killOwner();
    expect(await sweepDeadRuns()).toContain(label);
    expect(await processesIn(namespaces)).toEqual([]);
    expect(await readdir(tmpdir())).not.toContain(label);
  });

  it('leaves a run alone whose owner lives', async () => {
    await using network = await LabNetwork.create({}, soon());
    expect(await sweepDeadRuns()).not.toContain(network.label);
    await network.client.run(['ping', '-c1', '-W2', labAddresses.mid], soon());
  });

  it('gives the workspace its own address by DHCP, and a stranger another', async () => {
    await using network = await LabNetwork.create({ workspaceMac: '52:54:00:12:34:56' }, soon());
    const ask = async (mac: string) => {
      const script = join(import.meta.dirname, 'ask-dhcp.ts');
      return (await network.client.run([process.execPath, script, mac], soon())).trim();
    };
    expect(await ask('52:54:00:12:34:56')).toBe(labAddresses.workspace);
    expect(await ask('52:54:00:65:43:21')).toMatch(/^10\.77\.0\.1\d\d$/);
    const leases = await network.leases();
    expect(leases.get('52:54:00:12:34:56')).toBe(labAddresses.workspace);
  });

  it('takes no sender from the Wi-Fi host but itself, as an access point, and counts who tried', async () => {
    await using network = await LabNetwork.create({}, soon());
    await using capture = await FrameCapture.start(network.lan, soon());
    await network.mid.run(['ping', '-c2', '-i0.2', '-W1', labAddresses.client], soon());
    expect(await network.foreignFrames(soon())).toBe(0);
    const commands = [
      'link add foreign link wlan0 address 52:54:00:66:66:66 type macvlan mode bridge',
      'address add 10.77.0.60/24 dev foreign',
      'link set foreign up',
    ];
    await network.mid.run(['ip', '-batch', '-'], soon(), commands.join('\n'));
    const ping = (device: string) =>
      network.mid.run(['ping', '-c2', '-i0.2', '-W1', '-I', device, labAddresses.client], soon());
    await expect(ping('foreign')).rejects.toThrow(/ping .* ended with 1/);
    await ping('wlan0');
    // By itself it goes on looking for neighbours and groups: what is sent between two looks is seen by one of them.
    await network.mid.run(['ip', 'link', 'set', 'foreign', 'down'], soon());
    const frames = await network.framesFromMid(soon());
    expect([...frames.keys()].toSorted()).toEqual(['52:54:00:66:66:66', labMacs.mid]);
    expect(await network.foreignFrames(soon())).toBeGreaterThan(0);
    // Two that see the same, each in its own way.
    const captured = await capture.finish();
    expect([...captured.keys()].toSorted()).toEqual([...frames.keys()].toSorted());
    expect(captured.get('52:54:00:66:66:66')).toBe(frames.get('52:54:00:66:66:66'));
  });

  it('lets others send from behind a MID on a cable, as a switch does, and reaches the MID at its address', async () => {
    await using network = await LabNetwork.create({ wiredMid: true }, soon());
    const { mid, client } = network;
    await client.run(['ping', '-c1', '-W2', labAddresses.mid], soon());
    const commands = [
      'link add guest0 type veth peer name guest1',
      'link set guest1 master br0 up',
      'link set guest0 address 52:54:00:66:66:66 up',
      'address add 10.77.0.60/24 dev guest0',
    ];
    await mid.run(['ip', '-batch', '-'], soon(), commands.join('\n'));
    // Whether an answer finds its way back to a host that has two addresses on one LAN does not matter here.
    await mid.run(['ping', '-c1', '-W1', '-I', 'guest0', labAddresses.client], soon()).catch(() => undefined);
    const learned = await network.lan.run(['bridge', 'fdb', 'show', 'br', 'switch0'], soon());
    expect(learned).toMatch(/^52:54:00:66:66:66 dev mid /m);
  });

  it.each([
    { shape: 'wifi70', least: 63, most: 70.5 },
    { shape: 'ethernet100', least: 90, most: 100.5 },
  ] as const)('lets $shape carry about its rate, in both directions', async ({ shape, least, most }) => {
    await using network = await LabNetwork.create({ midLink: shape }, soon());
    const { mid, client } = network;
    const mbit = async (...hosts: Parameters<typeof measureRate>) =>
      ((await measureRate(...hosts)) * 8) / 1e6;
    for (const rate of [
      await mbit(mid, client, labAddresses.client, soon()),
      await mbit(client, mid, labAddresses.mid, soon()),
    ]) {
      expect(rate).toBeGreaterThan(least);
      expect(rate).toBeLessThan(most);
    }
    await network.shape('mid', 'unshaped', soon());
    expect(await mbit(mid, client, labAddresses.client, soon())).toBeGreaterThan(300);
  });

  it('is silent while a link is cut, the carrier stays, and the probe measures it', async () => {
    await using network = await LabNetwork.create({}, soon());
    await using probe = await GapProbe.start(network.client, labAddresses.pc, soon());
    await network.cutLink('pc', soon());
    const cutMs = Date.now();
    await expect(network.client.run(['ping', '-c1', '-W1', labAddresses.pc], soon())).rejects.toThrow(
      /ended with 1/,
    );
    expect(await network.pc.run(['cat', '/sys/class/net/eth0/carrier'], soon())).toBe('1\n');
    const stillCut = probe.measure();
    await network.restoreLink('pc', soon());
    const silentMs = Date.now() - cutMs;
    await probe.nextReply(soon());
    const { networkGapMs, replies } = probe.measure();
    expect(stillCut.networkGapMs).toBeGreaterThan(950);
    expect(networkGapMs).toBeGreaterThanOrEqual(stillCut.networkGapMs);
    expect(networkGapMs).toBeLessThan(2 * silentMs);
    expect(replies).toBeGreaterThan(0);
    probe.mark();
    await network.client.run(['ping', '-c3', '-i0.1', labAddresses.pc], soon());
    expect(probe.measure().networkGapMs).toBeLessThan(stillCut.networkGapMs);
  });

  it('says what is missing where namespaces may not be made', async () => {
    const main = join(import.meta.dirname, 'lab-owner.ts');
    const argv = ['--bounding-set=-sys_admin', process.execPath, main];
    const child = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    await once(child, 'close');
    expect(said).toMatch(/cannot make the network namespace "lan".*as-lab-root/s);
  });
});
