export const linkShapeNames = ['unshaped', 'ethernet100', 'wifi70'] as const;
export type LinkShapeName = (typeof linkShapeNames)[number];

/** The paper's two links, and none at all. Rates of both directions. */
const ratesMbit: Record<LinkShapeName, number | undefined> = {
  unshaped: undefined,
  ethernet100: 100,
  wifi70: 70,
};

/**
 * Arguments of `tc` that make a device send at a shape's rate.
 * - burst: two segments of the size that TCP offload hands down (64 KiB), or tbf would cut each into packets
 * - latency: what a router queues at such a rate; enough for TCP to fill the link, not enough to hide losses
 */
export function shapeArguments(device: string, name: LinkShapeName): string[] {
  const rate = ratesMbit[name];
  if (rate === undefined) return ['qdisc', 'replace', 'dev', device, 'root', 'noqueue'];
  const shape = ['tbf', 'rate', `${rate}mbit`, 'burst', '128kb', 'latency', '50ms'];
  return ['qdisc', 'replace', 'dev', device, 'root', ...shape];
}
