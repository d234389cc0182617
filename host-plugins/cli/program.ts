import { Command, CommanderError, Help, InvalidArgumentError, Option } from 'commander';
import { DockError } from '../../protocol/dock-error.ts';
import { version as ownVersion } from '../daemon/version.ts';
import { type CommandContext, CommandRun } from './command-context.ts';
import { answer } from './commands/answer.ts';
import { addDevice, forgetDevice, listDevices, showCertificate, trustDevice } from './commands/devices.ts';
import { doctor } from './commands/doctor.ts';
import { logs } from './commands/logs.ts';
import { notify } from './commands/notify.ts';
import { pair } from './commands/pair.ts';
import { checkPolicies, explainPolicy } from './commands/policy.ts';
import { simulateTrace } from './commands/simulate.ts';
import { status } from './commands/status.ts';
import { resume, suspend } from './commands/suspend.ts';
import { triggers } from './commands/triggers.ts';
import { cancel, dock, undock } from './commands/trip.ts';
import { version } from './commands/version.ts';
import { watch } from './commands/watch.ts';
import {
  createWorkspace,
  forceOwner,
  forgetMemory,
  listWorkspaces,
  showWorkspace,
  startWorkspace,
  stopWorkspace,
  warmUpWorkspace,
} from './commands/workspace.ts';
import { removeWorkspace } from './commands/workspace-remove.ts';
import { exitCodeHelp, exitCodes } from './exit-code.ts';
import type { GlobalOptions } from './settings.ts';
import { printable } from './terminal.ts';
import { addListByDefault, findCommand, refuseUnknownCommand } from './unknown-command.ts';

/** wdock from its arguments to its exit code. Prints to the context's terminal and nowhere else. */
export async function runWdock(args: readonly string[], context: CommandContext): Promise<number> {
  let exit: number = exitCodes.ok;
  const program = buildProgram(context, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has told people what it has to say; help that was asked for is no mistake
    const json = program.opts<GlobalOptions>().json === true || args.includes('--json');
    if (error.code === versionAsked) {
      if (json) return await version(new CommandRun(context, { json }));
      context.terminal.out(ownVersion);
    }
    if (error.exitCode === 0) return exitCodes.ok;
    if (json) context.terminal.out(JSON.stringify({ error: usageError(error).toData() }));
    return exitCodes.usage;
  }
}

const versionAsked = 'wdock.version';

function usageError({ code, message }: CommanderError): DockError {
  if (code === 'commander.help')
    return new DockError('usage', 'no command is named; `wdock help` shows them');
  return new DockError('usage', message.replace(/^error: /, ''));
}

/** The commands; also what the manual page and the shells' completion are made from. */
export function buildProgram(context: CommandContext, end: (code: number) => void): Command {
  const program = new Command('wdock')
    .description('Docks the VM you carry to the device you sit at, running, and makes it fit there.')
    .option('--json', 'print JSON: one object, or one a line where it streams')
    .option('--config <file>', "wdockd's configuration (default: /etc/wireless-dock/wdockd.yaml)")
    .option('--socket <path>', "wdockd's socket (default: as configured)")
    .option('--version', 'print the version')
    .on('option:version', () => {
      throw new CommanderError(0, versionAsked, ownVersion);
    })
    .helpOption('-h, --help', 'show this')
    .helpCommand(false)
    .showHelpAfterError('(`wdock help` shows the commands)')
    .showSuggestionAfterError()
    .configureHelp({
      sortSubcommands: false,
      showGlobalOptions: true,
      helpWidth: 80,
      optionDescription: (option) =>
        Help.prototype.optionDescription(option) + (option.mandatory ? ' (required)' : ''),
    })
    .configureOutput({
      writeOut: (text) => context.terminal.out(text.trimEnd()),
      writeErr: (text) => context.terminal.err(printable(text.trimEnd())),
    })
    .exitOverride()
    .addHelpText('after', `\n${exitCodeHelp}`);
  program.on('command:*', ([name = '']: string[]) => refuseUnknownCommand(program, name));

  /** Runs a command with the options of its whole line; what it throws becomes a message and an exit code. */
  const runs =
    <Rest extends unknown[]>(command: (run: CommandRun, ...args: Rest) => Promise<number>) =>
    async (...args: unknown[]) => {
      const self = args.at(-1) as Command;
      const run = new CommandRun(context, self.optsWithGlobals<GlobalOptions>());
      try {
        end(await command(run, ...(args.slice(0, -1) as Rest)));
      } catch (error) {
        end(run.fail(error));
      }
    };

  program
    .command('status')
    .description('what this device is, which workspaces it has, where they run')
    .action(runs(status));
  program
    .command('dock')
    .argument('<target>', 'a trusted device, by its name')
    .description('move the running workspace to another device and make it fit there')
    .addOption(workspaceOption())
    .option(
      '--i-know-the-kiosk-can-read-it',
      'dock to a kiosk without being asked; kept until it is forgotten',
    )
    .addHelpText(
      'after',
      '\nApplications in the workspace go on running. Ctrl-C cancels, up to the\nhand-over: the workspace then runs here as before. Before the first dock to a\nkiosk it says what cannot be protected there, and asks.\n\nExample:\n  wdock dock desk-pc',
    )
    .action(runs(dock));
  program
    .command('undock')
    .description('bring the workspace back to the device that is its home')
    .addOption(workspaceOption())
    .addHelpText('after', '\nIt is made small enough first; when it does not fit, nothing is changed.')
    .action(runs(undock));
  program
    .command('suspend')
    .argument('[workspace]', 'which (default: the only one)')
    .description('write the running workspace to a directory, such as a USB drive, and end it here')
    .requiredOption('--to <directory>', 'where; it has to be there')
    .option('--now', 'stop it first; by default it runs while most of it is written')
    .addHelpText(
      'after',
      '\nIt is encrypted for this device and those that are trusted as owned, read back,\nand only then ended here. Until then it runs on here, whatever fails: a full\ndrive, one that is pulled, Ctrl-C. To the same directory again, it writes what\nis new. Its disk stays at home.\n\nExample:\n  wdock suspend --to /media/stick',
    )
    .action(runs(suspend));
  program
    .command('resume')
    .argument('<directory>', 'where it was suspended to')
    .description('let a suspended workspace go on here, and make it fit')
    .option('-w, --workspace <name>', 'which workspace (default: the only one there)')
    .addHelpText(
      'after',
      '\nAn image can be resumed once. Away from its home device, that has to be in\nreach: it has the disk, and gives the workspace to one device only.\n\nExample:\n  wdock resume /media/stick',
    )
    .action(runs(resume));
  program
    .command('cancel')
    .description('end the dock or undock that is under way, up to its hand-over')
    .addOption(workspaceOption())
    .action(runs(cancel));
  program
    .command('answer')
    .argument('<answer>', 'yes or no')
    .description('answer the question of a trigger that asks before it docks or undocks')
    .addOption(workspaceOption())
    .option('--device <name>', 'about which device (default: the only one asked about)')
    .action(runs(answer));
  program
    .command('triggers')
    .description('when it docks and undocks without a command, and which rule says so')
    .addOption(workspaceOption('all'))
    .option('--device <name>', 'about which device (default: all)')
    .action(runs(triggers));
  program.command('watch').description('print what happens, until Ctrl-C').action(runs(watch));
  program
    .command('notify')
    .description('show docks, undocks and questions of triggers on the desktop, until Ctrl-C')
    .addHelpText(
      'after',
      '\nFor one user, in their session, where systemd starts it. It watches wdockd by\nD-Bus, so that its user needs not be in the group wireless-dock.',
    )
    .action(runs(notify));

  addWorkspaceCommands(program, runs);
  addDeviceCommands(program, runs);
  addPolicyCommands(program, runs);

  program
    .command('doctor')
    .description('what works on this host, what does not, and what to do about it')
    .action(runs(doctor));
  program
    .command('logs')
    .description("wdockd's log")
    .option('-f, --follow', 'go on with what is added, until Ctrl-C')
    .option('-n, --lines <number>', 'how many of the last lines', wholeNumber, 50)
    .action(runs(logs));
  program.command('version').description('print the version').action(runs(version));
  program
    .command('help')
    .argument('[command...]', 'one or two words, such as workspace create')
    .description('show what a command does')
    .action((names: string[]) => findCommand(program, names).help());
  return program;
}

const cpuModelHelp =
  'the name of one, such as Haswell-v4, or common: the newest that all trusted devices have (default: common)';

type Runs = <Rest extends unknown[]>(
  command: (run: CommandRun, ...args: Rest) => Promise<number>,
) => (...args: unknown[]) => Promise<void>;

function addWorkspaceCommands(program: Command, runs: Runs): void {
  const workspace = program.command('workspace').description('make, list, start, stop and remove workspaces');
  workspace
    .command('create')
    .argument('<name>')
    .description('make a workspace; its shape stays as it is made')
    .requiredOption('--disk <file>', 'its disk, qcow2 or raw, a file or a block device of this device')
    .addOption(
      new Option(
        '--disk-format <format>',
        'refuse a disk of another format (default: as its content says)',
      ).choices(['raw', 'qcow2']),
    )
    .option('--backing-file <file...>', 'of the disk, in another folder: the guest may read all of it')
    .option('--base-memory <MiB>', 'boot memory; has to fit the smallest device it shall visit', wholeNumber)
    .option('--max-plugged-memory <MiB>', 'what may be plugged on top', wholeNumber)
    .option('--max-vcpus <number>', 'vCPUs on the largest device', wholeNumber)
    .option('--kernel <file>', 'boot this kernel instead of the boot loader on the disk; with --initrd')
    .option('--initrd <file>', 'its initial RAM disk')
    .option('--append <text>', 'its command line')
    .option('--mac <address>', 'hardware address of its network interface')
    .option('--uuid <uuid>', 'identity of the machine')
    .option('--address <ip/length...>', 'addresses that the guest has, where they are known')
    .option('--saved-state <file>', 'the first start takes this saved state instead of booting')
    .option('--policy <file>', 'policy overrides of this workspace')
    .option('--cpu-model <model>', cpuModelHelp)
    .addHelpText('after', '\nExample:\n  wdock workspace create work --disk ~/work.qcow2 --base-memory 768')
    .hook('preAction', (command) => {
      const { kernel, initrd, append } = command.opts<Record<string, string | undefined>>();
      if (
        (kernel === undefined) !== (initrd === undefined) ||
        (append !== undefined && kernel === undefined)
      ) {
        command.error('error: --kernel and --initrd go together, and --append needs them');
      }
    })
    .action(runs(createWorkspace));
  addListByDefault(workspace, 'all workspaces').action(runs(listWorkspaces));
  workspace.command('show').argument('<name>').description('all about one').action(runs(showWorkspace));
  workspace
    .command('start')
    .argument('<name>')
    .description('run it on this device')
    .option('--cpu-model <model>', 'another one from now on: the name of one, or common')
    .addHelpText(
      'after',
      '\nWith another CPU model the guest finds another processor, as if its disk had\nbeen put into another computer. `wdock workspace show` says where it can dock.',
    )
    .action(runs(startWorkspace));
  workspace
    .command('stop')
    .argument('<name>')
    .description('shut it down')
    .option('--force', 'pull the plug: what it has not written is lost')
    .action(runs(stopWorkspace));
  workspace
    .command('remove')
    .argument('<name>')
    .description('forget one that is stopped, or cannot be read; its disk stays')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nIt says where the disk is, and which other device has a record of it. A\nworkspace whose home is another device is forgotten when that needs nothing\nfrom here any more.',
    )
    .action(runs(removeWorkspace));
  workspace
    .command('warm-up')
    .argument('<name>')
    .argument('<device>')
    .description('send its memory ahead, so that the next dock is short')
    .addHelpText(
      'after',
      '\nIt runs on meanwhile. Ctrl-C, a dock and a lost link end it without harm: what\nwas sent is of use.',
    )
    .action(runs(warmUpWorkspace));
  workspace
    .command('forget-memory')
    .argument('<name>')
    .description('remove what is kept here of its memory')
    .addHelpText(
      'after',
      '\nIt is kept, encrypted, to make the way back short; `wdock workspace show` says\nhow much there is. What other devices keep is removed on those.',
    )
    .action(runs(forgetMemory));
  workspace
    .command('force-owner')
    .argument('<name>')
    .description('take it back when the device it runs on is lost for good')
    .requiredOption('--i-know-the-other-copy-is-gone', 'what ran there since the last move is given up')
    .addHelpText('after', '\nIf the other copy still runs, both will write; see docs/hand-over.md first.')
    .action(runs(forceOwner));
}

function addDeviceCommands(program: Command, runs: Runs): void {
  program
    .command('pair')
    .argument('[name]', 'what to call the device whose code you take')
    .description('make two devices trust each other: one shows a code, the other takes it')
    .option('--address <host[:port]>', 'where the device that shows the code is reached')
    .option('--code-file <file>', 'read the code from a file, or - for standard input')
    .option('--name <name>', 'what to call the device that comes (default: as it says)')
    .addOption(trustOption())
    .addHelpText(
      'after',
      '\nWithout a name it shows a code of six digits, good for two minutes and one\ntry. With one it asks for the code that the other device shows.\n\nExample:\n  pad$ wdock pair\n  pc$  wdock pair pad --address pad.local',
    )
    .action(runs(pair));
  const devices = program.command('devices').description('devices that this one trusts');
  addListByDefault(devices, 'all of them, and this one').action(runs(listDevices));
  devices
    .command('add')
    .argument('<file>', "the other device's certificate (PEM), or - for standard input")
    .description('trust another device')
    .requiredOption('--fingerprint <hex>', 'of the certificate, as the other device shows it')
    .requiredOption('--address <host[:port]>', 'where the other device is reached')
    .option('--name <name>', 'what to call it (default: the name in the certificate)')
    .addHelpText(
      'after',
      '\nWhere `wdock pair` cannot be used. On the other device, `wdock devices\ncertificate > desk-pc.pem` prints its fingerprint; compare it with your own\neyes. Each device has to add the other.\n\nExample:\n  wdock devices add desk-pc.pem --fingerprint A1:B2:... --address desk-pc.local',
    )
    .action(runs(addDevice));
  devices
    .command('trust')
    .argument('<name>')
    .argument('<level>', 'owned, known or kiosk')
    .description("say whose a device is: your own, somebody's you trust, or a kiosk")
    .action(runs(trustDevice));
  devices
    .command('forget')
    .argument('<name>')
    .description('trust a device no longer, and close its connections')
    .action(runs(forgetDevice));
  devices
    .command('certificate')
    .description('print the certificate of this device, and its fingerprint')
    .action(runs(showCertificate));
}

function addPolicyCommands(program: Command, runs: Runs): void {
  const policy = program.command('policy').description('what a workspace gets on which device, and why');
  policy.on('command:*', ([name = '']: string[]) => refuseUnknownCommand(policy, name));
  policy
    .command('check')
    .argument('<files...>')
    .description('say what is wrong with policy files; needs no wdockd')
    .action(runs(checkPolicies));
  policy
    .command('explain')
    .description('show every decision with the rule that made it')
    .option('--profile <file>', 'of a host profile; needs no wdockd')
    .option('--policy <file>', 'overrides of a workspace, on top of the class; with --profile')
    .option('--device <name>', 'a trusted device instead of this one')
    .option('-w, --workspace <name>', 'which workspace (default: the only one, or none)')
    .action(runs(explainPolicy));
  policy
    .command('simulate')
    .argument('<trace>', 'a file with what happens between two devices')
    .description('play a trace, and show when the triggers would dock and undock')
    .option('--policy <file...>', 'on top of the policy of the class, in this order')
    .addHelpText('after', '\nNeeds no wdockd, and moves nothing. docs/triggers.md has the format.')
    .action(runs(simulateTrace));
}

function trustOption(): Option {
  return new Option('--trust <level>', 'owned, known or kiosk (default: known, or as before)');
}

function workspaceOption(byDefault = 'the only one'): Option {
  return new Option('-w, --workspace <name>', `which workspace (default: ${byDefault})`);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}
