import { findIoErrors } from '../../test/lab/state/find-io-errors.ts';
import type { VerifyReport } from '../../test/lab/verify/report.ts';
import type { VerifyWatch } from '../../test/lab/verify/verify-watch.ts';

/**
 * Has the guest check all its memory and its disk once more.
 * @param run of the load that was watched: a guest that was started anew has another one
 * @param folder of the devices, with the guest's log
 */
export async function checkGuest(
  watch: VerifyWatch,
  { run, folder }: { readonly run: number; readonly folder: string },
  signal: AbortSignal,
): Promise<{ readonly last: VerifyReport; readonly failures: readonly string[] }> {
  const last = await watch.verdict(signal);
  const failures = (await findIoErrors(folder)).map((line) => `in the guest's log: ${line}`);
  if (last.verdict !== 'intact') failures.push('the guest’s memory or disk is damaged');
  if (last.run !== run) failures.push('the guest was started anew in between');
  return { last, failures };
}
