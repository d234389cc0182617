import type { HelpArgument, HelpCommand } from './program-help.ts';

/** What a shell can offer for a value: names that wdockd knows, files, or nothing. */
export type CompletedValue = 'device' | 'workspace' | 'file' | 'nothing';

const byName: Readonly<Record<string, CompletedValue>> = {
  target: 'device',
  file: 'file',
  files: 'file',
  path: 'file',
};

/** @param path the command's names, from the program down: `['wdock', 'devices', 'forget']` */
export function completedArgument(path: readonly string[], argument: HelpArgument): CompletedValue {
  if (argument.name !== 'name') return byName[argument.name] ?? 'nothing';
  if (path.includes('devices')) return 'device';
  // The name of a workspace that is made is new.
  return path.includes('workspace') && path.at(-1) !== 'create' ? 'workspace' : 'nothing';
}

/** @param option its long name: `--workspace` */
export function completedOption(option: string, value: HelpArgument): CompletedValue {
  if (option === '--workspace') return 'workspace';
  if (option === '--device') return 'device';
  return byName[value.name] ?? 'nothing';
}

/** Commands with their names from the program down, the program itself first. */
export function allCommands(
  command: HelpCommand,
  parents: readonly string[] = [],
): { path: readonly string[]; command: HelpCommand }[] {
  const path = [...parents, command.name];
  return [{ path, command }, ...command.commands.flatMap((each) => allCommands(each, path))];
}
