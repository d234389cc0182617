import { describe, expect, it } from 'vitest';
import { HeardDevices } from '../../../../host-plugins/presence/sources/announcements/heard-devices.ts';

function listener() {
  const told: unknown[] = [];
  const heard = new HeardDevices((...news) => told.push(news));
  return { told, heard };
}

describe('which devices are heard', () => {
  it("says nothing of a stranger's service, and of one that nobody knew", () => {
    const { told, heard } = listener();
    heard.found('a', undefined, '192.0.2.1');
    heard.lost('a');
    heard.lost('b');
    expect(told).toEqual([]);
  });

  it('a device that changes its names is heard all the while, and not any more when the last service ends', () => {
    const { told, heard } = listener();
    heard.found('old', 'pc', '192.0.2.1');
    heard.found('new', 'pc', '192.0.2.1');
    heard.lost('old');
    heard.lost('new');
    expect(told).toEqual([
      ['pc', ['192.0.2.1'], true],
      ['pc', ['192.0.2.1'], false],
      ['pc', ['192.0.2.1'], false],
      ['pc', [], true],
    ]);
  });

  it('a service that becomes that of another device, or of nobody, is lost for the first one', () => {
    const { told, heard } = listener();
    heard.found('a', 'pc', '192.0.2.1');
    heard.found('a', 'mid', '192.0.2.2');
    heard.found('a', undefined, '192.0.2.2');
    expect(told).toEqual([
      ['pc', ['192.0.2.1'], true],
      ['pc', [], true],
      ['mid', ['192.0.2.2'], true],
      ['mid', [], true],
    ]);
  });

  it('every address counts once', () => {
    const { told, heard } = listener();
    heard.found('a', 'pc', '192.0.2.1');
    heard.found('b', 'pc', 'fe80::1%2');
    heard.found('b', 'pc', 'fe80::1%2');
    expect(told.at(-1)).toEqual(['pc', ['192.0.2.1', 'fe80::1%2'], false]);
    expect(told).toHaveLength(2);
  });
});
