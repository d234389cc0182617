import { allCommands, completedArgument, completedOption } from './completed-values.ts';
import type { HelpCommand } from './program-help.ts';

/**
 * The completion of bash for a program: the commands, options and values that its help shows. Needs nothing of
 * bash-completion but to be loaded by it.
 */
export function renderBashCompletion(program: HelpCommand): string {
  const commands = allCommands(program);
  const global = program.options;
  const cases = commands.map(({ path, command }) => {
    const options = [...command.options, ...global].flatMap(({ names }) => names);
    const values = command.arguments.map((argument) => completedArgument(path, argument));
    const endless = command.arguments.at(-1)?.variadic === true;
    return [
      `  '${path.join(' ')}')`,
      `    commands='${command.commands.map(({ name }) => name).join(' ')}'`,
      `    options='${[...new Set(options)].join(' ')}'`,
      `    values=(${values.join(' ')})`,
      `    endless=${endless ? 'yes' : ''}`,
      '    ;;',
    ].join('\n');
  });
  const valued = new Map(
    commands.flatMap(({ command }) =>
      command.options.flatMap(({ names, value }) =>
        value === undefined
          ? []
          : names.map((name) => [name, completedOption(names.at(-1) ?? '', value)] as const),
      ),
    ),
  );
  const valueCases = [...valued].map(([name, kind]) => `  ${name}) echo ${kind} ;;`);
  const { name } = program;
  return `# bash completion of ${name}, made from its help; complete(1)

_${name}_offer() {
  case $1 in
  device) COMPREPLY=($(compgen -W "$(${name} devices 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$2")) ;;
  workspace) COMPREPLY=($(compgen -W "$(${name} workspace list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$2")) ;;
  file)
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$2"))
    ;;
  esac
}

# What the value of an option is; nothing where it has none.
_${name}_value() {
  case $1 in
${valueCases.join('\n')}
  esac
}

# Sets what may follow a command, given from the program's name on.
_${name}_command() {
  case $1 in
${cases.join('\n')}
  *) return 1 ;;
  esac
}

_${name}() {
  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} path=${name} given=0 at word
  local commands options values endless
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == -* ]]; then
      if [[ -n $(_${name}_value "$word") ]]; then ((at++)); fi
    elif _${name}_command "$path $word"; then
      path="$path $word"
    else
      ((given++))
    fi
  done
  _${name}_command "$path"
  local expected
  expected=$(_${name}_value "\${COMP_WORDS[COMP_CWORD - 1]}")
  if [[ -n $expected ]]; then
    _${name}_offer "$expected" "$cur"
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ -n $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$cur"))
  else
    if [[ -n $endless && $given -ge \${#values[@]} ]]; then given=$((\${#values[@]} - 1)); fi
    _${name}_offer "\${values[given]-}" "$cur"
  fi
}

complete -F _${name} ${name}
`;
}
