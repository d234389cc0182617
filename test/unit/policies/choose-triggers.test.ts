import { describe, expect, it } from 'vitest';
import { chooseTriggers, type OtherDevice } from '../../../policies/choose/choose-triggers.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../../policies/load-policies.ts';
import { deviceClasses } from '../../../protocol/host-profile.ts';
import { mobileDevice } from './example-hosts.ts';

const pc: OtherDevice = { name: 'pc', deviceClass: 'desktop', trust: 'trusted' };
const layer = (text: string) => parsePolicy(`version: 1\n${text}`, 'mid.yaml');
const choose = (text: string, other = pc) => chooseTriggers([layer(text)], mobileDevice, other);

describe('a mistake in triggers', () => {
  it.each([
    ['dock: maybe', 'mid.yaml:3:9: triggers.dock: expected one of never, ask, auto, found "maybe"'],
    ['dokc: auto', 'mid.yaml:3:3: triggers.dokc: unknown key; did you mean "dock"?'],
    ['dockWhen: [mains, lid]', 'mid.yaml:3:21: triggers.dockWhen[1]: expected one of mains, lid-closed'],
    ['dockWhen: [mains, mains]', 'mid.yaml:3:13: triggers.dockWhen: expected each value once'],
    ['hours: [Mon-Fri 8-18]', 'mid.yaml:3:11: triggers.hours[0]: expected days and hours such as'],
    ['answerIn: 2 h', 'mid.yaml:3:13: triggers.answerIn: expected at most 1 h'],
    ['near: 0.7', 'mid.yaml:3:9: triggers.near: expected a share such as 75%'],
    ['{ near: 40%, fading: 50% }', 'mid.yaml:3:24: triggers.fading: fading is more than near'],
  ])('%s is told with its place', (line, message) => {
    expect(() => layer(`triggers:\n  ${line}`)).toThrow(message);
  });
});

describe('the triggers towards another device', () => {
  it('never dock to a kiosk, whatever is written', () => {
    const { rules, decisions } = choose('triggers: { dock: auto }', { ...pc, trust: 'untrusted' });
    expect(rules.dock).toBe('never');
    expect(decisions.findLast(({ what }) => what === 'triggers.dock')).toMatchObject({ rule: 'a kiosk' });
  });

  it('keep fading at most near, also where two layers disagree', () => {
    const { rules } = chooseTriggers(
      [layer('triggers: { fading: 60% }'), layer('triggers: { near: 50% }')],
      mobileDevice,
      pc,
    );
    expect(rules).toMatchObject({ near: 50, fading: 50 });
  });

  it('can differ from device to device, by its name, class and trust', () => {
    const text =
      'when:\n  - if: { device: pc, class: desktop, trust: trusted }\n    triggers: { dock: auto }\n';
    expect(choose(text).rules.dock).toBe('auto');
    expect(choose(text, { ...pc, name: 'laptop' }).rules.dock).toBe('never');
    expect(choose(text, { ...pc, deviceClass: 'laptop' }).rules.dock).toBe('never');
    expect(choose(text, { ...pc, deviceClass: undefined }).rules.dock).toBe('never');
  });

  it('say the file and line of each rule', () => {
    const { decisions } = choose('triggers:\n  dock: ask\n  holdOff: 90 s\n');
    expect(decisions).toContainEqual(
      expect.objectContaining({ what: 'triggers.dock', value: 'ask', rule: 'mid.yaml:3 triggers.dock' }),
    );
    expect(decisions).toContainEqual(
      expect.objectContaining({
        what: 'triggers.holdOff',
        value: '90 s',
        rule: 'mid.yaml:4 triggers.holdOff',
      }),
    );
    expect(decisions).toContainEqual(
      expect.objectContaining({ what: 'triggers.hours', value: 'always', rule: 'built-in' }),
    );
  });

  it.each(deviceClasses)(
    'as shipped for a %s, never dock or undock without a question',
    async (deviceClass) => {
      const layers = await loadPolicyLayers({ folders: [], deviceClass }, new AbortController().signal);
      const { rules } = chooseTriggers(layers, { ...mobileDevice, deviceClass }, pc);
      expect([rules.dock, rules.undock]).not.toContain('auto');
      expect(rules.leaving).toBe('undock');
    },
  );
});
