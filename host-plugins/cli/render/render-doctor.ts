import type { Check, PluginReport } from '../../../protocol/control-methods.ts';
import { hang } from './table.ts';

/**
 * One line a check, what to do below it; then what each plugin can do on this host.
 * @param width of the terminal, where there is one: lines are wrapped there
 */
export function renderDoctor(
  checks: readonly Check[],
  plugins: readonly PluginReport[],
  width?: number,
): string {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length), 0);
  const indent = ' '.repeat('warning'.length + nameWidth + 4);
  const lines = checks.flatMap(({ name, state, detail, remedy }) => [
    hang(`${state.padEnd('warning'.length)}  ${name.padEnd(nameWidth)}  `, detail, width),
    ...(remedy === undefined ? [] : [hang(`${indent}-> `, remedy, width)]),
  ]);
  for (const { resource, abilities, can, cannot } of plugins) {
    lines.push('', `${resource}${abilities.hotplug ? '' : ' (no hot-plug)'}`);
    lines.push(...can.map((text) => hang('  can     ', text, width)));
    lines.push(...cannot.map((text) => hang('  cannot  ', text, width)));
  }
  return lines.join('\n');
}
