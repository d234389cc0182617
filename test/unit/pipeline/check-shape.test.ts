import { describe, expect, it } from 'vitest';
import { type CreateParams, checkShape } from '../../../host-plugins/pipeline/check-shape.ts';

const wish: CreateParams = { name: 'work', disk: '/disk' };
const kernel = (commandLine: string) => ({ image: '/k', initrd: '/i', commandLine });
const hostMemoryMiB = 4096;

describe('the shape of a new workspace', () => {
  it.each([
    ['--base-memory', { baseMemoryMiB: 0 }, '0 is not within 128 to 4096 MiB'],
    ['--base-memory', { baseMemoryMiB: 4097 }, '128 to 4096 MiB, all that this device has'],
    ['--max-plugged-memory', { maxPluggedMemoryMiB: 1 }, '2 to 524288 MiB'],
    ['--max-plugged-memory', { maxPluggedMemoryMiB: 1025 }, 'no multiple of 2 MiB'],
    ['--max-vcpus', { maxVcpus: 0 }, '1 to 288'],
    ['--mac', { macAddress: 'ff:ff:ff:ff:ff:ff' }, "a group's address"],
    ['--mac', { macAddress: '01:00:5e:00:00:01' }, "a group's address"],
    ['--mac', { macAddress: '00:00:00:00:00:00' }, "nobody's"],
    ['--mac', { macAddress: '52-54-00-12-34-56' }, 'no hardware address such as'],
    ['--uuid', { uuid: '1234' }, 'no UUID'],
    ['--append', { kernel: kernel('x'.repeat(2048)) }, 'has 2048 bytes, and a kernel takes 2047'],
    ['--append', { kernel: kernel('ä'.repeat(1024)) }, 'has 2048 bytes'],
    ['--append', { kernel: kernel('a\0b') }, 'zero byte'],
    ['--address', { guestAddresses: ['1.2.3.4'] }, 'lacks its prefix length: 1.2.3.4/24, for example'],
    ['--address', { guestAddresses: ['fd77::1'] }, 'lacks its prefix length: fd77::1/64'],
    ['--address', { guestAddresses: ['1.2.3.400/24'] }, 'no IP address'],
    ['--address', { guestAddresses: ['1.2.3.4/33'] }, 'it is 1 to 32'],
    ['--address', { guestAddresses: ['fd77::1/129'] }, 'it is 1 to 128'],
    ['--address', { guestAddresses: ['1.2.3.4/24/8'] }, 'no IP address'],
    ['--address', { guestAddresses: ['224.0.0.1/24'] }, "can be no host's address"],
    ['--address', { guestAddresses: ['::1/128'] }, "can be no host's address"],
  ])('that no device can take is refused by the name of %s: %j', (option, change, message) => {
    const { wrong } = checkShape({ ...wish, ...change }, hostMemoryMiB);
    expect(wrong).toEqual([{ option, message: expect.stringContaining(message) }]);
  });

  it('tells all mistakes at once', () => {
    const { wrong } = checkShape(
      { ...wish, macAddress: 'x', uuid: 'y', guestAddresses: ['z', '1.2.3.4/24'] },
      hostMemoryMiB,
    );
    expect(wrong.map(({ option }) => option)).toEqual(['--mac', '--uuid', '--address']);
  });

  it('takes hexadecimal digits in any letter case, and keeps them in lower case', () => {
    const { wrong, params } = checkShape(
      {
        ...wish,
        macAddress: '52:54:00:AA:Bb:01',
        uuid: '6F1C0C5E-5A0F-4C38-9D0A-3D2B8F4E7A11',
        baseMemoryMiB: 4096,
        maxPluggedMemoryMiB: 524_288,
        kernel: kernel('x'.repeat(2047)),
        guestAddresses: ['192.0.2.7/24', 'FD77::50/128', 'fe80::1/64'],
      },
      hostMemoryMiB,
    );
    expect(wrong).toEqual([]);
    expect(params).toMatchObject({
      macAddress: '52:54:00:aa:bb:01',
      uuid: '6f1c0c5e-5a0f-4c38-9d0a-3d2b8f4e7a11',
    });
  });

  it('refuses the boot memory that is taken where none is said, on a device with less', () => {
    expect(checkShape(wish, 256).wrong).toMatchObject([{ option: '--base-memory' }]);
  });
});
