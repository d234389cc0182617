import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { TraceDocument } from '../../../host-plugins/presence/trace/trace-document.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { parseYaml } from '../../../policies/positioned-yaml/parse-yaml.ts';

const parse = (text: string) => parseYaml(text, 't.yaml', TraceDocument, 'the trace').value;

describe('a trace with a mistake', () => {
  it.each([
    ['{ heard: true }', 't.yaml:3:5: events[0]: expected either "at", or "from", "to" and "every"'],
    ['{ at: 1 s, to: 2 s, heard: true }', 't.yaml:3:5: events[0]: expected either "at"'],
    ['{ at: 1 s }', 't.yaml:3:5: events[0]: nothing happens here'],
    ['{ from: 2 s, to: 1 s, every: 1 s, heard: true }', 't.yaml:3:22: events[0].to: to is before from'],
    ['{ from: 0 s, to: 2 h, every: 10 ms, heard: true }', 'events[0].every: expected at least 100 ms'],
    ['{ from: 0 s, to: 160 h, every: 1 s, heard: true }', 'events[0].every: more than 10000 times'],
    ['{ at: 1, heard: true }', 't.yaml:3:11: events[0].at: expected a duration such as 5 s, found 1'],
    ['{ at: 1 s, link: { signal: 20 } }', 'expected a signal from -120 to 0, in dBm'],
    ['{ at: 1 s, lnik: lost }', 'unknown key; did you mean "link"?'],
  ])('%s is told with its place', (line, message) => {
    expect(() => parse(`trace: 1\nevents:\n  - ${line}\n`)).toThrow(message);
  });

  it('is one that has no version', () => {
    expect(() => parse('events: [{ at: 1 s, heard: true }]')).toThrow('trace: is missing; expected 1');
  });

  it('is one that starts at no time of the week', () => {
    const text = 'trace: 1\nstarts: Mon 24:00\nevents: [{ at: 1 s, heard: true }]';
    expect(() => parse(text)).toThrow('t.yaml:2:9: starts: expected a day and time such as Mon 09:00');
  });
});

describe('the guide', () => {
  it('shows only policies and traces that are good', async () => {
    const guide = await readFile(new URL('../../../docs/triggers.md', import.meta.url), 'utf8');
    const examples = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
    expect(examples.length).toBeGreaterThan(3);
    for (const example of examples) {
      expect(() =>
        example.startsWith('trace') ? parse(example) : parsePolicy(example, 'docs'),
      ).not.toThrow();
    }
  });
});
