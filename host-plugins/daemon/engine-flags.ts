// To be imported before what starts threads: how V8 collects garbage in wdockd, and in threads that it starts from here on.
import { setFlagsFromString } from 'node:v8';

/**
 * A move takes 64 KiB of memory for each piece that a socket gives, and lets go of it at once. V8 by itself looks through its
 * whole heap, which none of that is in, for every 64 MiB of it: 45 % of the processor time that a page took (bench:pages).
 * With these it counts buffers as it counts everything else, waits for four times of what was left the last time, and frees
 * most of them when it looks at what is young, which costs a thirtieth.
 */
const flags = [
  '--external-memory-accounted-in-global-limit',
  '--heap-growing-percent=300',
  '--max-semi-space-size=1',
];

for (const flag of flags) setFlagsFromString(flag);
