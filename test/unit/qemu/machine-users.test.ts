import { describe, expect, it } from 'vitest';
import {
  chooseMachineUser,
  isMachineUser,
  judgeMachineUsers,
  type MachineUserFacts,
  machineUsers,
} from '../../../host-plugins/qemu/choose-machine-user.ts';
import { buildCommandLine } from '../../../host-plugins/qemu/command-line.ts';
import { confined } from '../../../host-plugins/qemu/confine.ts';
import { runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { parseProcessUsers } from '../../../host-plugins/system/process/user-processes.ts';
import { MachineContract } from '../../../protocol/workspace.ts';

const wholeMap = '         0          0 4294967295\n';
const root: MachineUserFacts = {
  capabilities: 0x1ff_ffff_ffffn,
  userMap: wholeMap,
  groupMap: wholeMap,
  setpriv: true,
  kvm: undefined,
};

describe('machines have no users of their own', () => {
  it.each<[string, Partial<MachineUserFacts>, RegExp]>([
    [
      'where wdockd may not become another user',
      { capabilities: 0x20n },
      /no CAP_SETGID, CAP_SETUID, CAP_SETPCAP$/,
    ],
    ['in a user namespace of one user', { userMap: '0 1000 1' }, /user namespace/],
    ['in one that ends before them', { groupMap: `0 100000 ${machineUsers.last}` }, /user namespace/],
    ['without setpriv', { setpriv: false }, /setpriv/],
    ['where KVM is root\u2019s alone', { kvm: { mode: 0o20600, group: 0 } }, /\/dev\/kvm/],
    ['where KVM is for the group of root', { kvm: { mode: 0o20660, group: 0 } }, /\/dev\/kvm/],
  ])('%s, and it is said why', (_case, facts, why) => {
    expect(judgeMachineUsers({ ...root, ...facts })).toEqual({ can: false, why: expect.stringMatching(why) });
  });
});

describe('machines have users of their own', () => {
  it('for root of the whole system, and of a container that has these users', () => {
    expect(judgeMachineUsers(root)).toEqual({ can: true });
    const map = `0 100000 1000\n1000 2000000000 ${machineUsers.last}`;
    expect(judgeMachineUsers({ ...root, userMap: map })).toEqual({ can: true });
  });

  it('with the group that may open KVM, where it is not for all', () => {
    expect(judgeMachineUsers({ ...root, kvm: { mode: 0o20666, group: 0 } })).toEqual({ can: true });
    expect(judgeMachineUsers({ ...root, kvm: { mode: 0o20660, group: 108 } })).toEqual({
      can: true,
      kvmGroup: 108,
    });
  });

  it('within the range, whatever chance says', () => {
    expect(chooseMachineUser(0)).toBe(machineUsers.first);
    expect(chooseMachineUser(1 - Number.EPSILON)).toBe(machineUsers.last);
    expect([machineUsers.first - 1, machineUsers.last + 1].some(isMachineUser)).toBe(false);
  });

  it('started with no group but that of KVM', () => {
    expect(confined({ id: machineUsers.first })).toContain('--clear-groups');
    expect(confined({ id: machineUsers.first, kvmGroup: 108 })).toContain('--groups=108');
  });
});

describe('the command line of a machine with a user of its own', () => {
  const contract = MachineContract.parse({
    machineType: 'pc-q35-10.0',
    cpuModel: 'Nehalem-v1',
    maxVcpus: 4,
    baseMemoryMiB: 128,
    maxPluggedMemoryMiB: 1024,
    uuid: '5b0a1c5e-2f0e-4d3a-9a53-0f6f6a9d1c11',
    generationId: '5b0a1c5e-2f0e-4d3a-9a53-0f6f6a9d1c12',
    macAddress: '52:54:00:00:00:01',
  });
  const argv = buildCommandLine(
    contract,
    { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 },
    {
      name: 'work',
      accelerator: 'kvm',
      files: runtimeFiles('.'),
      mark: '/run/wireless-dock/work/qmp.sock',
      tap: 'wd-work',
      vhost: false,
      incoming: 'none',
      paused: true,
      extraPorts: ['org.wirelessdock.lab'],
    },
  );

  it('names no file from the root, for it may not enter the folders above its own', () => {
    const paths = argv.flatMap((argument) => /(?:path|filename)=([^,]*)/g.exec(argument)?.[1] ?? []);
    expect(paths.length).toBeGreaterThan(3);
    expect(paths.filter((path) => path.startsWith('/'))).toEqual([]);
  });

  it('has the path by which wdockd finds it again', () => {
    expect(argv.filter((argument) => argument.includes('/run/wireless-dock/work/qmp.sock'))).toHaveLength(1);
  });
});

describe('the users of a process', () => {
  it('are those of a live one', () => {
    expect(
      parseProcessUsers('Name:\tqemu\nState:\tS (sleeping)\nUid:\t5\t6\t7\t8\nGid:\t1\t1\t1\t1\n'),
    ).toEqual([5, 6, 7, 8]);
  });

  it('are none of one that is dead, or gone', () => {
    expect(parseProcessUsers('State:\tZ (zombie)\nUid:\t5\t5\t5\t5\n')).toBeUndefined();
    expect(parseProcessUsers('')).toBeUndefined();
  });
});
