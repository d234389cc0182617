import { join } from 'node:path';

/** wdockd's log file; `wdock logs` reads it. */
export const logFileOf = (stateFolder: string): string => join(stateFolder, 'log', 'wdockd.log');
