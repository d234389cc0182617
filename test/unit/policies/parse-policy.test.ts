import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import type { Fault } from '../../../policies/positioned-yaml/fault.ts';
import { DockError } from '../../../protocol/dock-error.ts';

function refusal(text: string): DockError {
  try {
    parsePolicy(text, 'desk.yaml');
  } catch (thrown) {
    if (thrown instanceof DockError) return thrown;
    throw thrown;
  }
  throw new Error('the policy was accepted');
}

function faultList({ detail }: DockError): Fault[] {
  const { faults } = detail as { faults: Fault[] };
  return faults;
}

function faults(text: string): string[] {
  const found = faultList(refusal(text));
  return found.map(
    ({ file, line, column, path, message }) => `${file}:${line}:${column} ${path}: ${message}`,
  );
}

describe('a policy with a mistake', () => {
  it('names file, line, column and path, what was expected and what was found', () => {
    expect(faults('version: 1\nmemory:\n  share: 0.75\n')).toEqual([
      'desk.yaml:3:10 memory.share: expected a share such as 75%, found 0.75',
    ]);
  });

  it('asks whether a misspelt key meant the nearest known one', () => {
    expect(faults('version: 1\nmemroy: { share: 50% }\nvcpus: { shar: 50% }\n')).toEqual([
      'desk.yaml:2:1 memroy: unknown key; did you mean "memory"?',
      'desk.yaml:3:10 vcpus.shar: unknown key; did you mean "share"?',
    ]);
  });

  it('lists the known keys where none is near', () => {
    expect(faults('version: 1\npower: { solar: balanced }\n')).toEqual([
      'desk.yaml:2:10 power.solar: unknown key; known here: mains, battery',
    ]);
  });

  it('asks whether a misspelt value meant the nearest allowed one', () => {
    expect(faults('version: 1\ndisplay: { use: bigest }\nnetwork: { prefer: [bridge] }\n')).toEqual([
      'desk.yaml:2:17 display.use: expected one of largest, internal, external, none, found "bigest"',
      'desk.yaml:3:21 network.prefer[0]: expected one of bridged, routed, nat, found "bridge"; did you mean "bridged"?',
    ]);
  });

  it('gets all its mistakes reported at once, in the order of the file', () => {
    const text = [
      'version: 2',
      'vcpus: 3',
      'memory:',
      '  min: 4 GiB',
      '  max: 1 GiB',
      'when:',
      '  - if: { powr: battery }',
      '  - if: {}',
      '  - vcpus: { min: 0 }',
    ].join('\n');
    expect(faults(text)).toEqual([
      'desk.yaml:1:10 version: expected 1, the version of the policy language, found 2',
      'desk.yaml:2:8 vcpus: expected a mapping with share, leave, min, max, found 3',
      'desk.yaml:4:8 memory.min: min is more than max',
      'desk.yaml:7:11 when[0].if.powr: unknown key; did you mean "power"?',
      'desk.yaml:8:9 when[1].if: expected at least one condition; settings that always hold stand outside of "when"',
      'desk.yaml:9:5 when[2].if: is missing; expected a mapping with power, batteryBelow, display, link, metered, class, device, trust',
      'desk.yaml:9:19 when[2].vcpus.min: expected at least 1 CPU, found 0',
    ]);
  });

  it('asks for a number where one stands in quotation marks', () => {
    expect(faults('version: "1"\n')).toEqual([
      'desk.yaml:1:10 version: expected 1, the version of the policy language, found "1"; write it without quotation marks',
    ]);
  });

  it('has no line in its message that is much longer than a terminal is wide', () => {
    const { message } = refusal(`version: 1\n"${'x'.repeat(5_000)}": 1\n${'y'.repeat(1_000)}: 1\n`);
    for (const line of message.split('\n')) expect(line.length).toBeLessThan(400);
  });

  it('shows the source line with a caret for the first few and counts the rest', () => {
    const error = refusal(`version: 1\n${Array.from({ length: 8 }, (_, n) => `bad${n}: 1`).join('\n')}\n`);
    expect(error.kind).toBe('config-invalid');
    expect(error.message).toContain('policy desk.yaml has 8 mistakes');
    expect(error.message).toContain('    2 | bad0: 1\n      | ^');
    expect(error.message).toContain('… and 3 more');
    expect(faultList(error)).toHaveLength(8);
  });

  it.each([
    [
      'memory: { max: 4096 }',
      'desk.yaml:2:16 memory.max: expected a size such as 512 MiB or 4 GiB, found 4096',
    ],
    [
      'memory: { max: 4 GB }',
      'desk.yaml:2:16 memory.max: expected a size in MiB or GiB, such as 512 MiB or 4 GiB, found "4 GB"',
    ],
    [
      'memory: { share: 101% }',
      'desk.yaml:2:18 memory.share: expected a share from 0% to 100%, such as 75%, found "101%"',
    ],
    ['vcpus: { max: 1.5 }', 'desk.yaml:2:15 vcpus.max: expected a number of CPUs, found 1.5'],
    ['move: { maxDelay: 61 s }', 'desk.yaml:2:19 move.maxDelay: expected at most 60 s'],
    [
      'display: { scale: 9 }',
      'desk.yaml:2:19 display.scale: expected auto or a factor from 0.5 to 4, found 9',
    ],
    ['display:', 'desk.yaml:2:9 display: expected a mapping with use, scale, found nothing'],
    [
      'network: { prefer: [] }',
      'desk.yaml:2:20 network.prefer: expected at least 1 item, found an empty list',
    ],
    ['network: { anchorFor: 200 h }', 'desk.yaml:2:23 network.anchorFor: expected at most 168 h'],
    [
      'network: { open: [tcp/65536] }',
      'desk.yaml:2:19 network.open[0]: expected a port such as tcp/22 or udp/53, found "tcp/65536"',
    ],
    [
      'memory: { min: 512 MiB, max: 4gib }',
      'desk.yaml:2:30 memory.max: expected a size in MiB or GiB, such as 512 MiB or 4 GiB, found "4gib"',
    ],
    [
      'network: { forward: [tcp/22, tcp/22:80] }',
      'desk.yaml:2:21 network.forward: expected each port of the device once',
    ],
    ['network: { prefer: [nat, nat] }', 'desk.yaml:2:20 network.prefer: expected each value once'],
    [
      'services: { sleep: [a.timer] }',
      'desk.yaml:2:21 services.sleep[0]: expected the name of a systemd service, scope or slice, such as packagekit.service, found "a.timer"',
    ],
    [
      'when: [{ if: { link: [wifi, lan] } }]',
      'desk.yaml:2:29 when[0].if.link[1]: expected one of none, wifi, ethernet, found "lan"',
    ],
    [
      'when: [{ if: { metered: yes } }]',
      'desk.yaml:2:25 when[0].if.metered: expected true or false, found "yes"',
    ],
    [
      '__proto__: { share: 1% }',
      'desk.yaml:2:1 __proto__: unknown key; known here: version, description, vcpus, memory, display, network, services, power, input, kiosk, move, triggers, when',
    ],
  ])('is refused: %s', (line, fault) => {
    expect(faults(`version: 1\n${line}\n`)).toEqual([fault]);
  });
});

describe('YAML whose meaning a reader could miss', () => {
  it.each([
    [
      'version: 1\nversion: 1',
      'desk.yaml:2:1 version: stands here a second time, first on line 1; remove one of them',
    ],
    ['version: &v 1', 'desk.yaml:1:13 version: the anchor "&v"; aliases are not read'],
    [
      'version: 1\nmemory: { <<: { share: 1% } }',
      'desk.yaml:2:11 memory: the merge key "<<"; write the values out',
    ],
    ['version: !!int 1', 'desk.yaml:1:16 version: the tag "!!int"; remove it'],
    [
      '%YAML 1.1\n---\nversion: 1',
      'desk.yaml:1:1 : a %YAML directive; remove it: these files are YAML 1.2 always',
    ],
    ['version: 1\n---\nversion: 1', 'desk.yaml:2:1 : a second document ("---"); one file is one document'],
    ['version: 1\n2: 3', 'desk.yaml:2:1 : a key has to be a word'],
    [
      'version: 1\n# a\u0000b',
      'desk.yaml:2:4 : the control character U+0000, which no YAML file has; is this a text file?',
    ],
    ['version: 1\nmemory:\n\tshare: 1%', 'desk.yaml:3:1 : a tab in the indentation; use spaces'],
  ])('is refused: %j', (text, fault) => {
    expect(faults(text)).toContain(fault);
  });

  it('is refused where an alias stands, even for a value that would fit', () => {
    const text = 'version: 1\nvcpus: { min: &n 2, max: *n }';
    expect(faults(text)).toContain('desk.yaml:2:26 vcpus.max: the alias "*n"; write the value out');
  });

  it.each([
    ['an empty file', ''],
    ['only a comment', '# nothing yet\n'],
    ['a list', '- version: 1\n'],
    ['a bracket that is never closed', 'version: [1'],
    ['brackets without end', '['.repeat(100_000)],
    ['brackets that are closed, too many', `version: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['a list in a list without end', '- '.repeat(50_000)],
    ['a novel', `description: ${'x'.repeat(300_000)}`],
  ])('is refused: %s', (_, text) => {
    const found = faultList(refusal(text));
    for (const { message } of found) expect(message).not.toMatch(/stack/i);
    expect(found[0]).toMatchObject({ file: 'desk.yaml', line: 1 });
    expect(found.length).toBeLessThan(20);
    expect(refusal(text).message.length).toBeLessThan(2000);
  });
});

describe('a correct policy', () => {
  it('comes back in units, and knows the line of each rule', () => {
    const policy = parsePolicy(
      [
        'version: 1',
        'memory: { share: 62.5 %, leave: 1.5 GiB }',
        'move:',
        '  maxDelay: 500 ms',
        '  headroom: 10%',
        'when:',
        '  - if: { link: wifi, display: [none, internal] }',
        '    vcpus: { max: 2 }',
      ].join('\r\n'),
      'desk.yaml',
    );
    expect(policy.document).toEqual({
      version: 1,
      memory: { share: 62.5, leave: { size: 1536 } },
      move: { maxDelay: 500, headroom: { share: 10 } },
      when: [{ if: { link: ['wifi'], display: ['none', 'internal'] }, vcpus: { max: 2 } }],
    });
    expect(policy.lineOf(['move', 'headroom'])).toBe(5);
    expect(policy.lineOf(['when', 0, 'vcpus', 'max'])).toBe(8);
  });
});
