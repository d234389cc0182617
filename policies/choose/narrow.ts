import type { Decision } from '../../protocol/control-methods.ts';

/** A number on its way from what a policy wishes to what can be had, with a decision for each step. */
export interface Narrowing {
  value: number;
  readonly decisions: Decision[];
}

/** The rules that no policy file makes. */
export const hostRule = 'the host';
export const machineRule = "the workspace's machine";

export function beginNarrowing(
  what: string,
  value: number,
  unit: string,
  rule: string,
  because: string,
): Narrowing & { step(value: number, rule: string, because: string): void } {
  const decisions: Decision[] = [{ what, value: `${value}${unit}`, rule, because }];
  return {
    value,
    decisions,
    /** Records a step only where it changes the value. */
    step(next, stepRule, stepBecause) {
      if (next === this.value) return;
      this.value = next;
      decisions.push({ what, value: `${next}${unit}`, rule: stepRule, because: stepBecause });
    },
  };
}
