import { defaultConfigPath } from './config.ts';
import { version } from './version.ts';

/** What `wdockd --help` prints; wdockd(8) is made from it, too. */
export const wdockdUsage = `wdockd ${version}: serves the workspaces of this device.

usage: wdockd [--config FILE] [--check-config]

  --config FILE   default ${defaultConfigPath}
  --check-config  reads the configuration, says what is wrong with it, and exits
  --version       prints the version
  --help          prints this

SIGTERM and SIGINT end it in good order. Workspaces that run here go on running.
Exit: 0 ended as asked, 1 could not start or failed, 2 wrong command line.
`;
