import type { Command } from 'commander';
import { didYouMean } from '../../policies/positioned-yaml/did-you-mean.ts';

/** Ends with what a group of commands has instead, be it one level deeper. (commander finds "bogus" near enough to "logs" to suggest it.) */
export function refuseUnknownCommand(group: Command, name: string): never {
  const names = namesOf(group);
  const elsewhere = group.commands.filter((each) => namesOf(each).includes(name));
  const meant = elsewhere.map((each) => `${each.name()} ${name}`).join(', or ') || didYouMean(name, names);
  const known = names.length === 0 ? '' : `; known: ${names.join(', ')}`;
  const help = meant === undefined ? known : `; did you mean ${meant}?`;
  group.error(`error: unknown command '${path(group)}${name}'${help}`, { code: 'commander.unknownCommand' });
}

/** The command at the end of these names, e.g. `workspace create`. */
export function findCommand(program: Command, names: readonly string[]): Command {
  return names.reduce(
    (group, name) =>
      group.commands.find((command) => command.name() === name) ?? refuseUnknownCommand(group, name),
    program,
  );
}

/**
 * `list` of a group, which also runs when the group is named alone. commander hands it whatever stands behind the
 * group's name; that is then no argument too many of `list`, but a command that does not exist.
 */
export function addListByDefault(group: Command, description: string): Command {
  return group
    .command('list', { isDefault: true })
    .description(description)
    .allowExcessArguments()
    .allowUnknownOption()
    .hook('preAction', (_hooked, list) => {
      const isNamed = group.args[0] === 'list';
      const [extra] = list.args;
      if (extra === undefined) return;
      const word = list.args.find((argument) => !argument.startsWith('-'));
      if (!isNamed && word !== undefined) refuseUnknownCommand(group, word);
      list.error(
        extra.startsWith('-')
          ? `error: unknown option '${extra}'`
          : `error: too many arguments for '${path(list).trim()}': '${extra}'`,
      );
    });
}

const namesOf = (group: Command) =>
  group
    .createHelp()
    .visibleCommands(group)
    .map((command) => command.name());

/** `workspace ` of `wdock workspace`; nothing for wdock itself. */
const path = (command: Command): string =>
  command.parent === null ? '' : `${path(command.parent)}${command.name()} `;
