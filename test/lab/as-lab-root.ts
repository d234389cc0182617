// Runs a command where it may make network namespaces: as it is for root, else as root of a user namespace of its own.
//
//   npx node test/lab/as-lab-root.ts <command> [argument…]
import { DockError } from '../../protocol/dock-error.ts';
import { runAsLabRoot } from './lab-root.ts';
import { runMain } from './run-main.ts';

await runMain(async (argv, signal) => {
  if (argv.length === 0)
    throw new DockError('usage', 'usage: npx node test/lab/as-lab-root.ts <command> [argument…]');
  process.exitCode = await runAsLabRoot(argv, signal);
});
