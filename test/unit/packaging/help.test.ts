import { Argument, Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { allCommands, completedArgument } from '../../../packaging/help/completed-values.ts';
import { describeCommand, describeWdock } from '../../../packaging/help/program-help.ts';
import { renderCommandPage, renderUsagePage } from '../../../packaging/help/render-man.ts';
import { parseUsageText } from '../../../packaging/help/usage-text.ts';

const frame = {
  name: 'tool',
  section: 1,
  summary: 'does things',
  version: '1.2.3',
  dateS: 0,
  files: [['/etc/tool.conf', 'its configuration']],
  seeAlso: ['other(8)'],
} as const;

describe('a usage text', () => {
  it('is read with texts beside and below their terms, and what is no entry as a paragraph', () => {
    const text = `tool 1: does things.

usage: tool [--fast] COMMAND

  --fast     sooner
  go [--port PATH] [--root PATH]
             the way
             to go
  --help

Ends with 0.
`;
    expect(parseUsageText(text)).toEqual({
      usage: ['tool [--fast] COMMAND'],
      entries: [
        { term: '--fast', text: 'sooner' },
        { term: 'go [--port PATH] [--root PATH]', text: 'the way to go' },
        { term: '--help', text: '' },
      ],
      paragraphs: ['Ends with 0.'],
    });
  });
});

describe('a manual page', () => {
  it('keeps backslashes, hyphens, and lines that look like requests to troff', () => {
    const usage = 'usage: tool --fast\n\n  --fast  .dot and back\\slash\n\n.SH is text\n';
    const page = renderUsagePage(frame, usage, 'OPTIONS');
    expect(page).toContain('.B \\-\\-fast\n\\&.dot and back\\eslash');
    expect(page).toContain('.PP\n\\&.SH is text');
  });

  it('has date and version given, so that it is the same whenever it is made', () => {
    expect(renderUsagePage(frame, 'usage: tool\n', 'OPTIONS')).toMatch(
      /^\.TH TOOL 1 1970-01-01 "Wireless Dock\+ 1\.2\.3"/,
    );
  });

  it('shows every command and every option that the help of wdock shows', () => {
    const wdock = describeWdock();
    const page = renderCommandPage({ ...frame, name: 'wdock' }, wdock);
    for (const { path, command } of allCommands(wdock)) {
      if (command.commands.length > 0) continue;
      expect(page).toContain(`\\fB${path.slice(1).join(' ').replaceAll('-', '\\-')}\\fR`);
      for (const { flags } of command.options) {
        if (!flags.includes('--help')) expect(page).toContain(`.B ${flags.replaceAll('-', '\\-')}`);
      }
    }
    expect(page).toContain('.B 130\ninterrupted');
  });
});

describe('the description of a command', () => {
  it('has what the help shows after all else, and leaves hidden commands out', () => {
    const program = new Command('tool').addHelpText('after', '\nExample:\n  tool go');
    program
      .command('go')
      .addArgument(new Argument('[where...]', 'places'))
      .option('-f, --fast <speed>', 'sooner');
    program.command('secret', { hidden: true });
    const { after, commands } = describeCommand(program);
    expect(after).toBe('Example:\n  tool go');
    expect(commands.map(({ name }) => name)).not.toContain('secret');
    const go = commands.find(({ name }) => name === 'go');
    expect(go?.arguments).toEqual([
      { name: 'where', description: 'places', required: false, variadic: true },
    ]);
    expect(go?.options[0]).toMatchObject({ names: ['-f', '--fast'], value: { name: 'speed' } });
  });
});

it.each([
  [['wdock', 'dock'], 'target', 'device'],
  [['wdock', 'devices', 'forget'], 'name', 'device'],
  [['wdock', 'workspace', 'start'], 'name', 'workspace'],
  [['wdock', 'workspace', 'create'], 'name', 'nothing'],
  [['wdock', 'policy', 'check'], 'files', 'file'],
  [['wdock', 'help'], 'command', 'nothing'],
] as const)('what %j takes as %s is completed as %s', (path, name, expected) => {
  const argument = { name, description: '', required: true, variadic: false };
  expect(completedArgument(path, argument)).toBe(expected);
});
