import { type CompletedValue, completedArgument, completedOption } from './completed-values.ts';
import type { HelpArgument, HelpCommand, HelpOption } from './program-help.ts';

/** The completion of zsh for a program: the commands, options and values that its help shows (zshcompsys(1)). */
export function renderZshCompletion(program: HelpCommand): string {
  const { name } = program;
  return `#compdef ${name}
# Made from the help of ${name}.

_${name}_offer_devices() {
  local -a names=(\${(f)"$(${name} devices 2>/dev/null | awk 'NR > 1 { print $1 }')"})
  _describe -t devices device names
}

_${name}_offer_workspaces() {
  local -a names=(\${(f)"$(${name} workspace list 2>/dev/null | awk 'NR > 1 { print $1 }')"})
  _describe -t workspaces workspace names
}

${functions(program, [], program.options).join('\n\n')}

_${name} "$@"
`;
}

/** One function for each command, the innermost first. */
function functions(
  command: HelpCommand,
  parents: readonly string[],
  global: readonly HelpOption[],
): string[] {
  const path = [...parents, command.name];
  const own = command.options.filter(({ names }) => !global.some((each) => each.names[0] === names[0]));
  const specs = [...own, ...global].map(optionSpec);
  if (command.commands.length === 0) {
    specs.push(...command.arguments.map((argument, index) => argumentSpec(path, argument, index + 1)));
    return [define(path, [`_arguments -S ${specs.map(continued).join('')}`])];
  }
  const described = command.commands.map((each) => `    '${plain(`${each.name}:${each.description}`)}'`);
  const choices = command.commands.map(
    (each) => `    ${each.name}) ${functionName([...path, each.name])} ;;`,
  );
  return [
    ...command.commands.flatMap((each) => functions(each, path, global)),
    define(path, [
      'local context state state_descr line',
      'typeset -A opt_args',
      `_arguments -C -S ${specs.map(continued).join('')}${continued("'1: :->command'")}${continued("'*:: :->rest'")}`,
      'case $state in',
      'command)',
      `  local -a commands=(\n${described.join('\n')}\n  )`,
      '  _describe -t commands command commands',
      '  ;;',
      'rest)',
      `  case $words[1] in\n${choices.join('\n')}\n  esac`,
      '  ;;',
      'esac',
    ]),
  ];
}

function define(path: readonly string[], lines: readonly string[]): string {
  return `${functionName(path)}() {\n${lines.map((line) => `  ${line}`).join('\n')}\n}`;
}

function functionName(path: readonly string[]): string {
  return `_${path.join('_').replaceAll('-', '_')}`;
}

function continued(spec: string): string {
  return ` \\\n    ${spec}`;
}

function optionSpec({ names, description, value }: HelpOption): string {
  const text = `[${plain(description)}]`;
  const long = names.at(-1) ?? '';
  const asked = value === undefined ? '' : `:${value.name}:${action(completedOption(long, value))}`;
  return names.length === 1
    ? `'${long}${text}${asked}'`
    : `'(${names.join(' ')})'{${names.join(',')}}'${text}${asked}'`;
}

function argumentSpec(path: readonly string[], argument: HelpArgument, position: number): string {
  const where = argument.variadic ? '*' : String(position);
  return `'${where}:${plain(argument.name)}:${action(completedArgument(path, argument))}'`;
}

function action(value: CompletedValue): string {
  return {
    device: '_wdock_offer_devices',
    workspace: '_wdock_offer_workspaces',
    file: '_files',
    nothing: ' ',
  }[value];
}

/** Within single quotes, and without what _arguments takes for the end of a description. */
function plain(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll('[', '(').replaceAll(']', ')').replaceAll('`', '"');
}
