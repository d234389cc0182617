import { describe, expect, it } from 'vitest';
import { emulatorMounts, servesWithoutKvm } from '../../lab/emulator/lab-emulator.ts';

const said = (version: string) =>
  `QEMU emulator version ${version}\nCopyright (c) 2003-2026 Fabrice Bellard and the QEMU Project developers`;

describe('the QEMU of the lab', () => {
  it.each([
    [said('10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)'), false],
    [said('11.0.4'), false],
    [said('11.1.0'), true],
    [said('12.0.0'), true],
    ['no version at all', false],
  ])('is this machine’s own without KVM where that is new enough: %j', (version, serves) => {
    expect(servesWithoutKvm(version)).toBe(serves);
  });

  it('takes nobody’s place where it is this machine’s own', () => {
    expect(emulatorMounts({ version: said('11.1.0'), tree: undefined })).toEqual([]);
  });

  it('stands in the usual places of a host, with its firmware and its modules', () => {
    const mounts = emulatorMounts({ version: said('11.1.0'), tree: '/cache/tree' });
    expect(mounts[0]).toEqual(['mount', '--bind', '/cache/tree', '/mnt']);
    expect(mounts.slice(1).map((argv) => argv.at(-1))).toEqual([
      '/usr/bin/qemu-system-x86_64',
      '/usr/share/qemu',
      '/usr/share/seabios',
      '/usr/lib/x86_64-linux-gnu/qemu',
    ]);
  });
});
