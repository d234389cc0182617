import type { Command } from 'commander';
import { buildProgram } from '../../host-plugins/cli/program.ts';

/** What follows an option, or stands for itself in a command line. */
export interface HelpArgument {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

export interface HelpOption {
  /** As the help shows it: `-n, --lines <number>`. */
  readonly flags: string;
  readonly names: readonly string[];
  readonly description: string;
  readonly value: HelpArgument | undefined;
  readonly required: boolean;
}

/** A command as people are told of it: the source of manual pages and of the shells' completion. */
export interface HelpCommand {
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly HelpArgument[];
  readonly options: readonly HelpOption[];
  readonly commands: readonly HelpCommand[];
  /** What the help shows after all else. */
  readonly after: string;
}

/** wdock's commands, from the object that parses its command line and prints its help. */
export function describeWdock(): HelpCommand {
  const nowhere = { out: () => {}, err: () => {}, columns: undefined, colour: false, unicode: false };
  const never = new AbortController().signal;
  const context = { terminal: nowhere, environment: {}, signal: never, impatience: never };
  return describeCommand(buildProgram(context, () => {}));
}

export function describeCommand(command: Command): HelpCommand {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      required: argument.required,
      variadic: argument.variadic,
    })),
    options: help.visibleOptions(command).map((option) => {
      const value = /[<[]([^>\]]*?)(\.\.\.)?[>\]]/.exec(option.flags);
      return {
        flags: option.flags,
        names: [option.short, option.long].filter((name) => name !== undefined),
        description: option.description,
        required: option.mandatory,
        value:
          value === null
            ? undefined
            : {
                name: value[1] ?? '',
                description: '',
                required: option.required,
                variadic: value[2] !== undefined,
              },
      };
    }),
    commands: help.visibleCommands(command).map(describeCommand),
    after: textAfter(command),
  };
}

/** commander keeps such texts as listeners, which write them when help is printed. */
function textAfter(command: Command): string {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  // Its declarations leave out that it is an emitter.
  const emitter = command as Command & Pick<NodeJS.EventEmitter, 'emit'>;
  emitter.emit('afterHelp', { error: false, command, write });
  return text.trim();
}
