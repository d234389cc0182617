import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { adoptDisplayBus } from '../../../host-plugins/qemu/display-bus.ts';
import { displayControl } from '../../../host-plugins/qemu/display-control.ts';
import { adoptQemu } from '../../../host-plugins/qemu/qemu-process.ts';
import { QmpClient } from '../../../host-plugins/qemu/qmp-client.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { readFilling } from '../../../host-plugins/qemu/read-filling.ts';
import { smallContract, soon, TestHost } from './machine-fixture.ts';

const panel = { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 };

describe('a QEMU of a workspace', { timeout: 60_000 }, () => {
  it('that cannot start is said in its own words, and leaves nothing behind', async () => {
    await using host = await TestHost.create();
    await expect(host.startQemu(smallContract({ cpuModel: 'no-such-cpu' }))).rejects.toMatchObject({
      kind: 'qemu-refused',
      message: expect.stringContaining("unable to find CPU model 'no-such-cpu'"),
    });
    expect(await adoptQemu(host.files, soon())).toBeUndefined();
    await expect(readFile(host.files.qemuPid)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is ended when its start is aborted', async () => {
    await using host = await TestHost.create();
    const start = host.startQemu(smallContract(), {}, undefined, AbortSignal.timeout(30));
    await expect(start).rejects.toMatchObject({ kind: 'timeout' });
    expect(await adoptQemu(host.files, soon())).toBeUndefined();
  });

  it('is not started a second time', async () => {
    await using host = await TestHost.create();
    const contract = smallContract();
    const first = await host.startQemu(contract);
    await expect(host.startQemu(contract)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await queryStatus(first.qmp, soon())).toMatchObject({ status: 'prelaunch' });
  });

  it('that is killed rejects what waits with qemu-gone, and is seen to have ended', async () => {
    await using host = await TestHost.create();
    const qemu = await host.startQemu(smallContract());
    const events = qemu.qmp.events(soon(), 'STOP')[Symbol.asyncIterator]();
    const event = expect(events.next()).rejects.toMatchObject({ kind: 'qemu-gone' });
    const exited = qemu.exited(soon());
    await qemu.process.kill('SIGKILL');
    await exited;
    await qemu.qmp.closed;
    await event;
    await expect(qemu.qmp.execute('query-status', {}, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
    expect(await adoptQemu(host.files, soon())).toBeUndefined();
  });

  it('refuses a command with its class and words, and goes on', async () => {
    await using host = await TestHost.create();
    const { qmp } = await host.startQemu(smallContract());
    await expect(qmp.execute('no-such-command', {}, soon())).rejects.toMatchObject({
      kind: 'qemu-refused',
      detail: { command: 'no-such-command', class: 'CommandNotFound' },
    });
    await expect(qmp.executeOutOfBand('query-status', {}, soon())).rejects.toMatchObject({
      kind: 'qemu-refused',
    });
    expect(await queryStatus(qmp, soon())).toMatchObject({ status: 'prelaunch' });
  });

  it('has the filling that its command line was made from', async () => {
    await using host = await TestHost.create();
    const filling = { pluggedVcpus: [1, 3], requestedPluggedMemoryMiB: 64 };
    const { qmp } = await host.startQemu(smallContract(), {}, filling);
    expect(await readFilling(qmp, soon())).toEqual(filling);
  });

  it('has the size of the largest workspace that is allowed', async () => {
    await using host = await TestHost.create();
    const contract = smallContract({ maxVcpus: 64, maxPluggedMemoryMiB: 256 * 1024 });
    const { qmp } = await host.startQemu(contract, { extraPorts: ['org.wirelessdock.lab'] });
    expect(await queryStatus(qmp, soon())).toMatchObject({ status: 'prelaunch' });
  });

  it('takes a kernel beside a disk that could be booted too', async () => {
    await using host = await TestHost.create();
    const image = `${host.files.folder}/kernel`;
    await writeFile(image, emptyKernel());
    const kernel = { image, initrd: image, commandLine: 'root=/dev/vda console=ttyS0,115200' };
    const { qmp } = await host.startQemu(smallContract({ kernel }));
    expect(await queryStatus(qmp, soon())).toMatchObject({ status: 'prelaunch' });
  });

  it('outlives a daemon that is restarted, and is adopted by the next', async () => {
    await using host = await TestHost.create();
    const first = await host.startQemu(smallContract());
    await first[Symbol.asyncDispose]();
    expect(await first.process.isAlive()).toBe(true);
    await using second = await adoptQemu(host.files, soon());
    expect(second?.pid).toBe(first.pid);
    if (second === undefined) return;
    expect(await queryStatus(second.qmp, soon())).toMatchObject({ status: 'prelaunch' });
    const exited = second.exited(soon());
    await second.quit(soon());
    await exited;
  });

  it('is greeted by the next client when the one before is gone', async () => {
    await using host = await TestHost.create();
    const { qmp } = await host.startQemu(smallContract());
    const second = new QmpClient(host.files.qmpSocket);
    await expect(second.connect(soon(300))).rejects.toMatchObject({ kind: 'timeout' });
    await qmp.disconnect();
    await second.connect(soon());
    expect(await queryStatus(second, soon())).toMatchObject({ status: 'prelaunch' });
    await second.disconnect();
  });
});

describe('the display of a QEMU', { timeout: 60_000 }, () => {
  it('is told the size of the host’s, in pixels and millimetres', async () => {
    await using host = await TestHost.create();
    await host.startQemu(smallContract());
    const display = displayControl(host.files.displayBusSocket);
    await display.setUiInfo(panel, soon());
    await display.setUiInfo({ widthPx: 2560, heightPx: 1440, widthMm: 597, heightMm: 336, scale: 1 }, soon());
  });

  it('that is gone is qemu-gone', async () => {
    await using host = await TestHost.create();
    const display = displayControl(host.files.displayBusSocket);
    await expect(display.setUiInfo(panel, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
  });

  it('has a bus that is found again after a restart of the daemon', async () => {
    await using host = await TestHost.create();
    expect(await (await adoptDisplayBus(host.files))?.isAlive()).toBe(true);
  });
});

/**
 * The header of a bzImage, as much as QEMU looks at (Documentation/arch/x86/boot.rst), and nothing to run.
 */
function emptyKernel(): Buffer {
  const kernel = Buffer.alloc(8192);
  kernel.writeUInt8(1, 0x1f1); // setup_sects
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.write('HdrS', 0x202, 'ascii');
  kernel.writeUInt16LE(0x020c, 0x206); // boot protocol
  kernel.writeUInt8(1, 0x211); // loaded high
  kernel.writeUInt32LE(0x7fff_ffff, 0x22c); // initrd_addr_max
  return kernel;
}
