import type { TripOutcome } from '../../../protocol/outcome.ts';

/** What the guest has at least, on each of the lab's docks. */
const docks = {
  pc: { vcpus: 4, memoryMiB: 4096, display: '2560x1440' },
  'small-pc': { vcpus: 2, memoryMiB: 1100, display: '1280x720' },
  twin: { vcpus: 1, memoryMiB: 400, display: '1024x600' },
} as const;

/** What a trip of the demo has to bring about, read in the guest; each that it did not, in words. */
export function judgeTrip({ kind, guest }: TripOutcome, dock: keyof typeof docks = 'pc'): string[] {
  const big = docks[dock];
  const { after } = guest;
  if (after === null) return [`after the ${kind} nothing could be read in the guest`];
  const { vcpus, memoryMiB, display } = after;
  const shown = display === null ? 'none' : `${display.width}x${display.height}`;
  const wrong = (what: string, seen: unknown, wanted: string) =>
    `after the ${kind} the guest has ${what} ${seen}, and not ${wanted}`;
  return kind === 'dock'
    ? [
        ...(vcpus === big.vcpus ? [] : [wrong('vCPUs', vcpus, `${big.vcpus}`)]),
        ...(memoryMiB >= big.memoryMiB
          ? []
          : [wrong('memory', `${memoryMiB} MiB`, `at least ${big.memoryMiB}`)]),
        ...(shown === big.display ? [] : [wrong('display', shown, big.display)]),
        ...(after.network.mode === 'bridged' ? [] : [wrong('network', after.network.mode, 'bridged')]),
      ]
    : [
        ...(vcpus === 1 ? [] : [wrong('vCPUs', vcpus, '1')]),
        ...(memoryMiB <= 1024 ? [] : [wrong('memory', `${memoryMiB} MiB`, 'at most 1024')]),
        ...(shown === '1024x600' ? [] : [wrong('display', shown, '1024x600')]),
        ...(after.network.mode === 'routed' ? [] : [wrong('network', after.network.mode, 'routed')]),
      ];
}
