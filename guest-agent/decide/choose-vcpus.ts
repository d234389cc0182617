/** Which processors to switch, so that `wanted` are online: the lowest numbers, and always cpu0. */
export interface VcpuSwitches {
  readonly online: readonly number[];
  readonly offline: readonly number[];
  /** How many are still missing: not plugged yet. */
  readonly missing: number;
}

/**
 * The kernel numbers hot-plugged processors as their slots are numbered, and hosts plug the lowest slots first and
 * unplug the highest, so low numbers stay and high numbers go.
 */
export function chooseVcpus(
  present: readonly number[],
  online: readonly number[],
  wanted: number,
): VcpuSwitches {
  const keep = new Set([...present].sort((a, b) => a - b).slice(0, Math.max(1, wanted)));
  return {
    online: present.filter((cpu) => keep.has(cpu) && !online.includes(cpu)),
    offline: online.filter((cpu) => !keep.has(cpu) && cpu !== 0).sort((a, b) => b - a),
    missing: Math.max(0, wanted - present.length),
  };
}
