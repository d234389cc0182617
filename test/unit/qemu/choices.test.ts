import { describe, expect, it } from 'vitest';
import { parseCpuFlags } from '../../../host-plugins/qemu/accelerator.ts';
import { isNewEnough, parseVersion } from '../../../host-plugins/qemu/check-qemu.ts';
import { chooseAccelerator } from '../../../host-plugins/qemu/choose-accelerator.ts';
import { packageOfProgram } from '../../../host-plugins/system/process/package-of-program.ts';
import { matchesMark, parseStat } from '../../../host-plugins/system/process/process-identity.ts';

describe('the accelerator', () => {
  it.each([
    [true, ['vmx'], 'kvm'],
    [true, ['svm'], 'kvm'],
    [true, ['sse2'], 'tcg'], // a software-only KVM opens as well
    [false, ['vmx'], 'tcg'],
    [false, [], 'tcg'],
  ] as const)('with /dev/kvm %s and flags %j is %s', (kvmOpens, flags, expected) => {
    const choice = chooseAccelerator({ kvmOpens, cpuFlags: new Set(flags) });
    expect(choice.accelerator).toBe(expected);
    expect(choice.reason).not.toBe('');
  });

  it('reads whole words of the flags, of any /proc/cpuinfo', () => {
    expect(parseCpuFlags('processor\t: 0\nflags\t\t: fpu vmx_like sse2\n')).toEqual(
      new Set(['fpu', 'vmx_like', 'sse2']),
    );
    expect(parseCpuFlags('').has('vmx')).toBe(false);
  });
});

describe('QEMU’s version', () => {
  it.each([
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)', false],
    ['QEMU emulator version 9.2.1', false],
    ['QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)', true],
    ['qemu-storage-daemon version 11.1', true],
  ])('%s: %s', (output, expected) => {
    const version = parseVersion(output);
    expect(version !== undefined && isNewEnough(version)).toBe(expected);
  });

  it('is not read from something else', () => {
    expect(parseVersion('command not found')).toBeUndefined();
  });
});

describe('the identity of a process', () => {
  it('is read past a program name with spaces and parentheses', () => {
    const rest = Array.from({ length: 30 }, (_, index) => String(index + 4)).join(' ');
    expect(parseStat(`42 (a) S (b c) Z ${rest}`)).toEqual({ state: 'Z', startTicks: '22' });
    expect(parseStat('')).toBeUndefined();
  });

  it('needs the program and an argument with the marker, not only the marker', () => {
    const mark = { program: 'qemu-system-x86_64', marker: '/run/w/qmp.sock' };
    expect(matchesMark('/usr/bin/qemu-system-x86_64\0-qmp\0unix:/run/w/qmp.sock,server=on\0', mark)).toBe(
      true,
    );
    expect(matchesMark('vim\0/run/w/qmp.sock\0', mark)).toBe(false);
    expect(matchesMark('qemu-system-x86_64\0-qmp\0unix:/run/v/qmp.sock\0', mark)).toBe(false);
    expect(matchesMark('', mark)).toBe(false);
  });
});

it('names the package of a missing program, and nothing for names that objects have by themselves', () => {
  expect(packageOfProgram('/usr/sbin/nft')).toBe('nftables');
  expect(packageOfProgram('constructor')).toBeUndefined();
});
