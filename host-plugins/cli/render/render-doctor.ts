import type { Check, PluginReport } from '../../../protocol/control-methods.ts';

/** One line a check, what to do below it; then what each plugin can do on this host. */
export function renderDoctor(checks: readonly Check[], plugins: readonly PluginReport[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length), 0);
  const indent = ' '.repeat('warning'.length + width + 4);
  const lines = checks.flatMap(({ name, state, detail, remedy }) => [
    `${state.padEnd('warning'.length)}  ${name.padEnd(width)}  ${detail}`,
    ...(remedy === undefined ? [] : [`${indent}-> ${remedy}`]),
  ]);
  for (const { resource, abilities, can, cannot } of plugins) {
    lines.push('', `${resource}${abilities.hotplug ? '' : ' (no hot-plug)'}`);
    lines.push(...can.map((text) => `  can     ${text}`), ...cannot.map((text) => `  cannot  ${text}`));
  }
  return lines.join('\n');
}
