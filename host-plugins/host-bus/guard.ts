import type { DbusMethod } from '../system/dbus/dbus-interface.ts';
import type { AskedAction, Authority } from './authority.ts';
import type { Callers } from './callers.ts';

type Work = (args: readonly unknown[], caller: string) => Promise<readonly unknown[]>;

/** Makes a method of a piece of work that not everybody may have done. */
export type Guard = (asked: (args: readonly unknown[]) => AskedAction, work: Work) => DbusMethod['handle'];

/** @param stopping aborted when wdockd ends: questions that are open are given up */
export function guardWith(authority: Authority, callers: Callers, stopping: AbortSignal): Guard {
  return (asked, work) => async (args, sender, interactive) => {
    {
      using caller = callers.watch(sender);
      const signal = AbortSignal.any([caller.signal, stopping]);
      await authority.require(sender, asked(args), interactive, signal);
    }
    return await work(args, sender);
  };
}
