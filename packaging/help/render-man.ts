import { exitCodeHelp } from '../../host-plugins/cli/exit-code.ts';
import type { HelpArgument, HelpCommand, HelpOption } from './program-help.ts';
import { parseUsageText } from './usage-text.ts';

/** What a manual page says beyond the help text. */
export interface PageFrame {
  readonly name: string;
  readonly section: 1 | 8;
  readonly summary: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly dateS: number;
  readonly files: readonly (readonly [path: string, what: string])[];
  readonly seeAlso: readonly string[];
}

/** wdock(1), with every command and option that its help shows. */
export function renderCommandPage(frame: PageFrame, program: HelpCommand): string {
  const { commands, options, description } = program;
  return page(
    frame,
    section('SYNOPSIS', `.B ${frame.name}\n[\\fIoption\\fR...] \\fIcommand\\fR [\\fIargument\\fR...]`),
    section('DESCRIPTION', troff(description)),
    section('OPTIONS', 'Before or after the command:\n', ...options.map(optionEntry)),
    section('COMMANDS', ...commands.flatMap((command) => commandEntries(command, ''))),
    section('EXIT STATUS', ...exitStatus()),
  );
}

/** wdockd(8) or wdock-agent(8), from the text that `--help` prints. */
export function renderUsagePage(
  frame: PageFrame,
  usageText: string,
  entriesTitle: 'OPTIONS' | 'COMMANDS',
): string {
  const { usage, entries, paragraphs } = parseUsageText(usageText);
  const description = `${troff(`${frame.name} ${frame.summary}.`)}\n`;
  return page(
    frame,
    section('SYNOPSIS', ...usage.map((line) => `.B ${troff(line)}\n.br`)),
    section('DESCRIPTION', description, ...paragraphs.map((text) => `.PP\n${troff(text)}`)),
    section(entriesTitle, ...entries.map(({ term, text }) => `.TP\n.B ${troff(term)}\n${troff(text)}`)),
  );
}

function page(frame: PageFrame, ...sections: string[]): string {
  const { name, section: number, version } = frame;
  const date = new Date(frame.dateS * 1000).toISOString().slice(0, 10);
  const parts = [
    `.TH ${name.toUpperCase()} ${number} ${date} "Wireless Dock+ ${version}" "Wireless Dock+"`,
    section('NAME', `${troff(name)} \\- ${troff(frame.summary)}`),
    ...sections,
    frame.files.length === 0
      ? ''
      : section('FILES', ...frame.files.map(([path, what]) => `.TP\n.I ${troff(path)}\n${troff(what)}`)),
    section('SEE ALSO', frame.seeAlso.map((each) => `.BR ${each.replace('(', ' (')}`).join(' ,\n')),
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

function section(title: string, ...parts: string[]): string {
  return [`.SH ${title.includes(' ') ? `"${title}"` : title}`, ...parts].join('\n');
}

/** A command that only holds others is shown by them. */
function commandEntries(command: HelpCommand, parents: string): string[] {
  const name = `${parents}${command.name}`;
  if (command.commands.length > 0) {
    return command.commands.flatMap((each) => commandEntries(each, `${name} `));
  }
  const line = [`\\fB${troff(name)}\\fR`, ...command.arguments.map(argumentText)];
  const described = command.arguments.filter(({ description }) => description !== '');
  const nested = [...described.map(argumentEntry), ...command.options.filter(isOwn).map(optionEntry)];
  return [
    `.TP\n${line.join(' ')}\n${troff(sentence(command.description))}`,
    ...(nested.length === 0 ? [] : ['.RS', ...nested, '.RE']),
    // As it is laid out: examples are in it.
    ...(command.after === '' ? [] : [`.RS\n.PP\n.nf\n${troff(command.after)}\n.fi\n.RE`]),
  ];
}

function isOwn({ names }: HelpOption): boolean {
  return !names.includes('--help');
}

function optionEntry({ flags, description, required }: HelpOption): string {
  return `.TP\n.B ${troff(flags)}\n${troff(sentence(required ? `${description} (has to be given)` : description))}`;
}

function argumentEntry(argument: HelpArgument): string {
  return `.TP\n${argumentText(argument)}\n${troff(sentence(argument.description))}`;
}

function argumentText({ name, required, variadic }: HelpArgument): string {
  const text = `\\fI${troff(name)}\\fR${variadic ? '...' : ''}`;
  return required ? text : `[${text}]`;
}

function exitStatus(): string[] {
  return exitCodeHelp.split('\n').flatMap((line) => {
    const entry = /^ +(\d+) +(.*)$/.exec(line);
    return entry === null ? [] : [`.TP\n.B ${entry[1]}\n${troff(entry[2] ?? '')}`];
  });
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** For troff: backslashes, hyphens that are to be copied, and lines that would be taken for requests (groff(7)). */
function troff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
}
