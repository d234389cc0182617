import { sleep } from './retry-delay.ts';

const lookMs = 10;
/** Who is woken later than this had to wait for others that want the processor, ms. */
const lateMs = 10;
/** So many looks one after the other find it free. */
const calmLooks = 5;

/**
 * Waits until this guest's processors are not wanted by others for a moment, at most so long, ms. After a move its programs
 * all want to go on at once, and under emulation each of them has to be translated anew.
 */
export async function untilCalm(limitMs: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + limitMs;
  for (let calm = 0; calm < calmLooks && performance.now() < end; ) {
    const asked = performance.now();
    await sleep(lookMs, signal);
    const isLate = performance.now() - asked > lookMs + lateMs;
    calm = isLate ? 0 : calm + 1;
  }
}
