import { describe, expect, it } from 'vitest';
import { parseMigrationArguments } from '../../../../bench/migration/migration-arguments.ts';
import { type CycleChoice, planCycles } from '../../../../bench/migration/plan-cycles.ts';

describe('the command line of the comparison with stock QEMU', () => {
  it.each([
    ['--fast'],
    ['quick'],
    ['--loads', 'idle,games'],
    ['--loads', ''],
    ['--links', 'wifi'],
    ['--systems', 'stock, wdock'],
    ['--runs', '0'],
    ['--moves', '0'],
    ['--moves', '5', '--quick'],
    ['--moves', '5', '--svg', 'f'],
    ['--moves', '5', '--links', 'wifi70,unshaped'],
    ['--cuts', '--moves', '5'],
    ['--cuts', '--runs', '2'],
    ['--cuts', '--links', 'wifi70,unshaped'],
    ['--json'],
  ])('is refused as %s %s %s %s', (...args: string[]) => {
    expect(() => parseMigrationArguments(args.filter((one) => one !== undefined))).toThrow(
      expect.objectContaining({ kind: 'usage' }),
    );
  });

  it('has with --quick only what the limits are about, at 70 Mbit/s', () => {
    expect(parseMigrationArguments(['--quick'])).toMatchObject({
      ...{ quick: true, repetitions: 2, links: ['wifi70'], loads: ['idle', 'page-cache'] },
      systems: ['stock', 'stock-best', 'wdock'],
    });
  });

  it('keeps what was chosen beside --quick', () => {
    const args = ['--quick', '--runs', '1', '--loads', 'idle', '--links', 'unshaped', '--systems', 'wdock'];
    expect(parseMigrationArguments(args)).toMatchObject({
      ...{ repetitions: 1, links: ['unshaped'], loads: ['idle'], systems: ['wdock'] },
    });
  });

  it('takes names in any order, each once', () => {
    expect(parseMigrationArguments(['--systems', 'wdock,stock,wdock']).systems).toEqual(['stock', 'wdock']);
  });

  it('cuts links of 70 Mbit/s when asked for cuts and nothing else', () => {
    expect(parseMigrationArguments(['--cuts'])).toMatchObject({
      ...{ cuts: true, links: ['wifi70'], loads: ['idle'] },
    });
  });

  it('moves over an unshaped link when asked for many moves and nothing else', () => {
    expect(parseMigrationArguments(['--moves', '50'])).toMatchObject({
      ...{ moves: 50, links: ['unshaped'], loads: ['idle'] },
    });
  });
});

describe('the order of what is measured', () => {
  const choice: CycleChoice = {
    quick: true,
    repetitions: 2,
    links: ['wifi70'],
    loads: ['idle', 'page-cache'],
    systems: ['stock', 'wdock'],
  };

  it('lets the systems take turns before anything else changes', () => {
    expect(planCycles(choice).map(({ load, system }) => `${load} ${system}`)).toEqual([
      ...['idle stock', 'idle wdock', 'page-cache stock', 'page-cache wdock', 'page-cache wdock'],
      ...['idle stock', 'idle wdock', 'page-cache stock', 'page-cache wdock', 'page-cache wdock'],
    ]);
  });

  it('has every trip there and back, so that each leg starts where the last one ended', () => {
    for (const { legs } of [...planCycles(choice), ...planCycles({ ...choice, quick: false })]) {
      for (const [index, { trip }] of legs.entries()) expect(trip === 'return').toBe(index % 2 === 1);
    }
  });

  it('has a way of its own for a guest whose memory was sent ahead, by wdock alone', () => {
    const warmed = planCycles(choice).filter(({ legs }) => legs.some(({ trip }) => trip === 'warmed'));
    expect(warmed.map(({ load, system, legs }) => [load, system, legs.length])).toEqual([
      ['page-cache', 'wdock', 1],
      ['page-cache', 'wdock', 1],
    ]);
  });

  it('works one minute and half an hour before the ways back', () => {
    const [cycle] = planCycles({ ...choice, quick: false });
    expect(cycle?.legs.map(({ trip, work }) => [trip, work?.minutes])).toEqual([
      ['dock', undefined],
      ['return', 1],
      ['redock', undefined],
      ['return', 30],
    ]);
  });
});
