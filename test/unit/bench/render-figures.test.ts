import { describe, expect, it } from 'vitest';
import { renderFigures, summarize } from '../../../bench/render-figures.ts';

describe('the figures of several runs', () => {
  it('show a figure that no run gave as missing, and not as nothing or zero', () => {
    const text = renderFigures([{ dockAdaptMs: 2000 }]);
    expect(text).toMatch(/^ {2}undock +- +- +- s$/m);
    expect(summarize([{ dockAdaptMs: 2000 }])).not.toHaveProperty('undockAdaptMs');
  });

  it('say of how many runs a spread is where some runs lack the figure', () => {
    const text = renderFigures([{ dockDowntimeMs: 300 }, {}, { dockDowntimeMs: 100 }]);
    expect(text).toMatch(/^ {2}dock +200 +100 +300 ms \(2 runs\)$/m);
  });

  it('show median, min and max in the unit that is named beside them', () => {
    const text = renderFigures([
      { agentKiB: 13 * 1024, dockAdaptMs: 12_340 },
      { agentKiB: 14 * 1024, dockAdaptMs: 2_000 },
      { agentKiB: 20 * 1024, dockAdaptMs: 4_560 },
    ]);
    expect(text).toMatch(/anonymous memory, both +14\.0 +13\.0 +20\.0 MiB$/m);
    expect(text).toMatch(/^running to adapted\n {2}dock +4\.56 +2\.00 +12\.3 s$/m);
  });
});
