import type { VmState } from '../hand-over/state.ts';

/** QEMU's run state (qapi/run-state.json, RunState) as the hand-over sees it. */
export function vmStateOf(runState: string): VmState {
  switch (runState) {
    case 'running':
      return 'running';
    case 'inmigrate':
      return 'inmigrate';
    case 'finish-migrate':
      return 'stopping';
    case 'postmigrate':
      return 'postmigrate';
    default:
      // paused, prelaunch, io-error (werror=stop), suspended, …: it stands, and `cont` makes it run.
      return 'paused';
  }
}
