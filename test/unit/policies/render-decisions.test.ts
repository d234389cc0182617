import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderDecisions } from '../../../policies/render-decisions.ts';
import type { Decision } from '../../../protocol/control-methods.ts';

const decisions = [
  { what: 'vcpus', value: '4', rule: 'desktop.yaml:7 vcpus.share', because: "100% of the host's 4 CPUs" },
  {
    what: 'memory',
    value: '4915 MiB',
    rule: 'desktop.yaml:10 memory.share',
    because: "60% of the host's 8192 MiB",
  },
  {
    what: 'memory',
    value: '4914 MiB',
    rule: "the workspace's machine",
    because: 'memory is plugged in blocks of 2 MiB',
  },
];

describe('renderDecisions', () => {
  it('aligns the columns and names a thing once', () => {
    expect(renderDecisions(decisions)).toBe(
      [
        'WHAT    VALUE     RULE                          BECAUSE',
        "vcpus   4         desktop.yaml:7 vcpus.share    100% of the host's 4 CPUs",
        "memory  4915 MiB  desktop.yaml:10 memory.share  60% of the host's 8192 MiB",
        "        4914 MiB  the workspace's machine       memory is plugged in blocks of 2 MiB",
      ].join('\n'),
    );
  });

  it('puts the reason below where the terminal is narrow', () => {
    expect(renderDecisions(decisions.slice(2), 60)).toBe(
      [
        'WHAT    VALUE     RULE',
        "memory  4914 MiB  the workspace's machine",
        '        memory is plugged in blocks of 2 MiB',
      ].join('\n'),
    );
  });

  it('breaks no word where not even the rules fit beside the values', () => {
    const text = renderDecisions(
      [{ ...decisions[1], what: 'input.onScreenKeyboard' } as Decision, ...decisions.slice(2)],
      60,
    );
    expect(text).toBe(
      [
        'WHAT                    VALUE',
        '    RULE: BECAUSE',
        'input.onScreenKeyboard  4915 MiB',
        "    desktop.yaml:10 memory.share: 60% of the host's 8192 MiB",
        'memory                  4914 MiB',
        "    the workspace's machine: memory is plugged in blocks of",
        '    2 MiB',
      ].join('\n'),
    );
  });

  it('keeps every word of every reason, at any width', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 200 }), (reason, width) => {
        const text = renderDecisions(
          [{ what: 'a', value: 'b', rule: 'c', because: reason.join(' ') }],
          width,
        );
        expect(text.split(/\s+/).join(' ')).toContain(reason.join(' '));
      }),
    );
  });
});
