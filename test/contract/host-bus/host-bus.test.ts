import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { type Running, type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { errorOf, listenForPairingEnd, listenToEnd, nameTaken, offerPairing } from './bus-events.ts';
import { Busctl, hostName, hostRoot, member, refusalOf, stranger, workPath } from './busctl.ts';
import { PolkitDaemon } from './polkit-daemon.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes, on a machine that may be busy

const anyPort = { address: '127.0.0.1', port: 0 };
const within = (ms: number) => AbortSignal.timeout(ms);

let stack: AsyncDisposableStack;
let bus: PrivateBus;
let here: WdockdFolder;
let daemon: Running;
let busctl: Busctl;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  bus = stack.use(await PrivateBus.start('system'));
  here = stack.use(await wdockdFolder('here', anyPort, [], bus.address));
  busctl = new Busctl(bus.address);
  const served = nameTaken(bus.address, hostName, within(30_000));
  daemon = stack.use(await here.start());
  await served;
});

afterAll(async () => {
  await stack?.disposeAsync();
});

describe('where there is no polkit', () => {
  it('nobody may do anything but root', async () => {
    for (const user of [stranger, member]) {
      await expect(busctl.as(user).dock('pc')).rejects.toThrow('Access denied');
      expect(await refusalOf(busctl.as(user), workPath, '.Workspace', 'Dock', 's', 'pc')).toEqual([
        'org.freedesktop.DBus.Error.AccessDenied',
        expect.stringContaining('only root may do this: there is no polkit here'),
      ]);
    }
    expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
  });

  it('everybody may look', async () => {
    expect(await busctl.as(stranger).property(workPath, '.Workspace', 'State')).toBe('s "here"');
  });
});

describe('with polkit', () => {
  let polkit: PolkitDaemon;

  beforeAll(async () => {
    polkit = await PolkitDaemon.start(bus.address, member);
  });

  afterAll(async () => {
    await polkit?.[Symbol.asyncDispose]();
  });

  it.each([
    ['dock', 'Dock', 's', 'pc'],
    ['dock', 'Undock'],
    ['dock', 'Cancel'],
    ['dock', 'Start'],
    ['dock', 'Stop', 'b', 'false'],
    ['force', 'Stop', 'b', 'true'],
    ['force', 'ForceOwner', 'b', 'true'],
  ])('a user without the action %s is refused %s', async (action, method, ...args) => {
    const user = busctl.as(stranger);
    await expect(user.call(workPath, '.Workspace', method, ...args)).rejects.toThrow('Access denied');
    expect(await refusalOf(user, workPath, '.Workspace', method, ...args)).toEqual([
      'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired',
      `org.wirelessdock.${action} needs a password, and the caller does not allow to ask for it`,
    ]);
    expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
  });

  it('a user without the action manage is refused SetTrust and Forget', async () => {
    const { id, certificatePem } = await generateIdentity('pad');
    await using added = here.wdock('devices', 'add', '-', '--fingerprint', id, '--address', '192.0.2.8');
    added.child.stdin?.end(certificatePem);
    expect((await added.ended).exit).toBe(0);
    const path = `${hostRoot}/devices/pad`;
    for (const [method, ...args] of [['SetTrust', 's', 'owned'], ['Forget']] as const) {
      await expect(busctl.as(stranger).call(path, '.Device', method, ...args)).rejects.toThrow(
        'Access denied',
      );
      const [, why] = await refusalOf(busctl.as(stranger), path, '.Device', method, ...args);
      expect(why).toMatch(/^org\.wirelessdock\.manage /);
    }
    expect(await busctl.property(path, '.Device', 'Trust')).toBe('s "known"');
    await busctl.call(path, '.Device', 'Forget');
  });

  it.each([
    ['OfferPairing', 'ss', '', ''],
    ['JoinPairing', 'ssss', 'pc', '192.0.2.1', '123456', ''],
  ])('a user without the action pair is refused %s', async (method, ...args) => {
    const user = busctl.as(stranger);
    await expect(user.call(hostRoot, '', method, ...args)).rejects.toThrow('Access denied');
    expect((await refusalOf(user, hostRoot, '', method, ...args))[1]).toMatch(/^org\.wirelessdock\.pair /);
  });

  it('a member of the group docks, and the trip is an object that tells how it goes, until it is cancelled', async () => {
    const user = busctl.as(member);
    const trip = await user.dock('pc');
    expect(trip).toMatch(/^\/org\/wirelessdock\/Host1\/trips\/\d+$/);
    expect(await user.property(workPath, '.Workspace', 'Trip')).toBe(`o "${trip}"`);
    const read = (name: string) => user.property(trip, '.Trip', name);
    expect(await read('State')).toBe('s "running"');
    expect(await read('To')).toBe('s "pc"');
    expect(await read('Stage')).toBe('s "transfer"');
    expect(await read('StageFraction')).toBe('d 0.5');
    expect(await read('Simulated')).toBe('b true');
    await expect(busctl.as(stranger).call(trip, '.Trip', 'Cancel')).rejects.toThrow('Access denied');
    const ended = listenToEnd(bus.address, within(20_000));
    await ended.listening;
    await user.call(trip, '.Trip', 'Cancel');
    expect(await ended.body).toEqual([
      'cancelled',
      'org.wirelessdock.Error.Cancelled',
      'the dock was undone',
    ]);
    expect(await read('State')).toBe('s "cancelled"');
    expect(await user.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
    await expect(user.call(trip, '.Trip', 'Cancel')).rejects.toThrow(/this trip has ended/);
  });

  it('what fails before it is a trip is answered with the kind of the failure', async () => {
    const answer = errorOf(bus.address, workPath, `${hostName}.Workspace`, 'Dock', 's', ['nowhere']);
    expect(await answer).toBe('org.wirelessdock.Error.NotFound');
  });
});

describe('org.wirelessdock.Host1', () => {
  it('is introspected by busctl, with the objects below it', async () => {
    expect(await busctl.run('tree', '--list', hostName)).toContain(workPath);
    const members = await busctl.run('introspect', hostName, workPath);
    expect(members).toMatch(/^\.Dock +method +s +o/m);
    expect(members).toMatch(/^\.State +property +s +"here"/m);
    const managed = await busctl.run(
      ...['call', hostName, hostRoot, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects'],
    );
    expect(managed).toContain(`"${workPath}" 1 "${hostName}.Workspace"`);
    expect(await busctl.property(hostRoot, '', 'DeviceName')).toBe('s "here"');
  });

  it('cannot be taken by anybody but root', async () => {
    const other = await PrivateBus.start('system');
    await using _ = other;
    const asked = new Busctl(other.address).as(stranger);
    await expect(
      asked.run(
        ...['call', 'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus'],
        ...['RequestName', 'su', hostName, '0'],
      ),
    ).rejects.toThrow('Access denied');
  });

  it('has a trusted device when two are paired over the bus, until it is forgotten', async () => {
    await using there = await wdockdFolder('there', anyPort);
    await using _ = await there.start();
    await using offer = await offerPairing(bus.address);
    await using wdock = there.wdock('pair', 'here', '--address', offer.address, '--code-file', '-');
    wdock.child.stdin?.end(`${offer.code}\n`);
    expect((await wdock.ended).exit).toBe(0);
    const path = `${hostRoot}/devices/there`;
    expect(await offer.ended).toEqual([path, '', '']);
    expect(await busctl.property(path, '.Device', 'Trust')).toBe('s "known"');
    await busctl.call(path, '.Device', 'SetTrust', 's', 'kiosk');
    expect(await busctl.property(path, '.Device', 'Trust')).toBe('s "kiosk"');
    await busctl.call(path, '.Device', 'Forget');
    await expect(busctl.property(path, '.Device', 'Trust')).rejects.toThrow('Path not exported');
  });

  it('closes a pairing with the caller that asked for it', async () => {
    const ended = listenForPairingEnd(bus.address, within(20_000));
    await ended.listening;
    const offer = await offerPairing(bus.address);
    await offer[Symbol.asyncDispose]();
    expect(await ended.body).toEqual(['/', 'org.wirelessdock.Error.Cancelled', expect.any(String)]);
  });

  it('is there again when the bus is, and wdockd works meanwhile', async () => {
    await bus.kill();
    expect((await here.wdock('devices').ended).exit).toBe(0);
    await bus.resume();
    await nameTaken(bus.address, hostName, within(30_000));
    expect(await busctl.property(workPath, '.Workspace', 'State')).toBe('s "here"');
  });

  it('ends a trip that it began when wdockd is told to end', async () => {
    await busctl.dock('pc');
    daemon.kill('SIGTERM');
    expect((await daemon.ended).exit).toBe(0);
    const { out } = await here.wdock('logs').ended;
    expect(out).not.toContain('did not stop in good order');
  });
});
