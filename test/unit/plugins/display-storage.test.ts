import { describe, expect, it } from 'vitest';
import { displayPlugin } from '../../../host-plugins/display/display-plugin.ts';
import { planDisplay } from '../../../host-plugins/display/plan.ts';
import { verifyDisplay } from '../../../host-plugins/display/verify.ts';
import { parseImageFormats } from '../../../host-plugins/storage/discover.ts';
import { judgeBlocks } from '../../../host-plugins/storage/verify.ts';
import { parseDeviceHelp } from '../../../host-plugins/system/host-inventory/list-qemu-devices.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { GuestState } from '../../../protocol/guest-state.ts';
import type { PlanStep } from '../../../protocol/plan.ts';
import { PretendedMachine } from './pretended-machine.ts';
import { allocation, context, guest } from './samples.ts';

const shown = (changes: Partial<NonNullable<GuestState['display']>> = {}) =>
  guest({ display: { connector: 'Virtual-1', widthPx: 2560, heightPx: 1440, scale: 1, ...changes } });

describe('the display', () => {
  it('is planned in two steps also where the size stays, and not at all without a display', () => {
    expect(planDisplay(context({ from: allocation() })).map((step) => step.when)).toEqual([
      'before-run',
      'after-move',
    ]);
    expect(planDisplay(context({ to: allocation({ display: undefined }) }))).toEqual([]);
  });

  it('gets smaller before the move, and back when the move is given up', async () => {
    const small = { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 };
    const from = allocation();
    const [step, ...rest] = planDisplay(
      context({ from, guest: shown(), to: allocation({ display: small }) }),
    );
    expect(rest.map(({ when }) => when)).toEqual(['before-run', 'after-move']);
    expect(step).toMatchObject({ when: 'before-move', change: { action: 'shrink', display: small } });
    const sizes: number[] = [];
    const machine = Object.assign(new PretendedMachine(0, { withoutAgent: true }), {
      display: { setUiInfo: async ({ widthPx }: { widthPx: number }) => void sizes.push(widthPx) },
    });
    const signal = AbortSignal.timeout(1_000);
    const { undo, shortfalls } = await displayPlugin.adapt(step as PlanStep, machine, () => {}, signal);
    expect(shortfalls).toEqual([]);
    await undo(signal);
    expect(sizes).toEqual([1024, 2560]);
  });

  it('gets bigger only after the move, and stays when it is not known what it was', () => {
    const moments = (...args: Parameters<typeof context>) =>
      planDisplay(context(...args)).map(({ when }) => when);
    const small = { widthPx: 1024, heightPx: 600 };
    expect(moments({ from: allocation(), guest: shown(small) })).not.toContain('before-move');
    expect(moments({ guest: shown(), to: allocation({ display: undefined }) })).toEqual([]);
  });

  it('says what the guest shows instead, with the reason that the guest gives', () => {
    const small = shown({ widthPx: 1024, heightPx: 600 });
    expect(verifyDisplay(allocation(), small)).toMatchObject([
      {
        requested: '2560x1440 at scale 1',
        actual: '1024x600 at scale 1',
        reason: expect.stringMatching(/did not take/),
      },
    ]);
    const silent = guest({ notes: ['memory: no PSI', 'display: no session is logged in'] });
    expect(verifyDisplay(allocation(), silent)).toMatchObject([
      { actual: 'unknown', reason: 'display: no session is logged in' },
    ]);
  });

  it('takes the nearest quarter of a scale for the scale', () => {
    const wished = (scale: number) =>
      allocation({ display: { widthPx: 2560, heightPx: 1440, widthMm: 0, heightMm: 0, scale } });
    expect(verifyDisplay(wished(1.25), shown({ scale: 1.2549 }))).toEqual([]);
    expect(verifyDisplay(wished(1.5), shown({ scale: 1 }))[0]?.reason).toMatch(/no nearer scale/);
    expect(verifyDisplay(allocation({ display: undefined }), guest())).toEqual([]);
  });

  it('fails no move when QEMU does not take the size or nobody answers in the guest', async () => {
    const machine = Object.assign(new PretendedMachine(0, { withoutAgent: true }), {
      display: {
        setUiInfo: () => Promise.reject(new DockError('io', 'the display bus is gone')),
      },
    });
    const outcomes = await Promise.all(
      planDisplay(context()).map((step) =>
        displayPlugin.adapt(step, machine, () => {}, AbortSignal.timeout(1_000)),
      ),
    );
    expect(outcomes.flatMap((outcome) => outcome.shortfalls.map(({ reason }) => reason))).toEqual([
      "QEMU's display did not take the size: the display bus is gone",
      'no agent answers in the guest',
    ]);
  });
});

describe('the home disk', () => {
  it('is reported when it is not reached, missing, or unwell', () => {
    const disk = { name: 'disk', inserted: true, ioStatus: 'ok' };
    expect(judgeBlocks([disk, { ...disk, ioStatus: undefined }])).toEqual([]);
    expect(judgeBlocks([])).toHaveLength(1);
    expect(judgeBlocks([{ ...disk, inserted: false }])[0]?.actual).toBe('not attached');
    expect(judgeBlocks([{ ...disk, ioStatus: 'failed' }])).toMatchObject([{ actual: 'failed' }]);
  });
});

describe("QEMU's own lists", () => {
  it('are read by name', () => {
    const help =
      'Storage devices:\nname "virtio-blk-pci", bus PCI, alias "virtio-blk"\n\nname "virtio-mem-pci", bus PCI\n';
    expect(parseDeviceHelp(help)).toEqual(new Set(['virtio-blk-pci', 'virtio-mem-pci']));
    expect(parseDeviceHelp('')).toEqual(new Set());
  });

  it('are read from qemu-img of either generation', () => {
    expect(parseImageFormats('x\nSupported formats: qcow2 raw nbd\n')).toEqual(
      new Set(['qcow2', 'raw', 'nbd']),
    );
    const newer = 'Supported image formats:\n\n  blkdebug nbd\n  qcow2 raw\n\nSee <https://qemu.org>\n';
    expect(parseImageFormats(newer)).toEqual(new Set(['blkdebug', 'nbd', 'qcow2', 'raw']));
    expect(parseImageFormats('nothing')).toEqual(new Set());
  });
});
