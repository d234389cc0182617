import { describe, expect, it } from 'vitest';
import { parseHasLid } from '../../../../host-plugins/presence/sources/logind/has-lid.ts';
import { parseIwLink, parseWirelessTable } from '../../../../host-plugins/presence/sources/wifi-signal.ts';

describe('the signal of a Wi-Fi interface', () => {
  const table = [
    'Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE',
    ' face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22',
    'wlan0: 0000   58.  -52.  -256        0      0      0      0     12        0',
    ' wlp3: 0000   40.   60.     0        0      0      0      0      0        0',
  ].join('\n');

  it('is unknown where the table does not have it, or has it in units of its own', () => {
    expect(parseWirelessTable('', 'wlan0')).toBeUndefined();
    expect(parseWirelessTable(table, 'wlan')).toBeUndefined();
    expect(parseWirelessTable(table, 'wlp3')).toBeUndefined();
    expect(parseIwLink('Not connected.\n')).toBeUndefined();
  });

  it('is what the kernel, or iw, says', () => {
    expect(parseWirelessTable(table, 'wlan0')).toBe(-52);
    expect(parseIwLink('Connected to 02:00:00:00:00:01 (on wlan0)\n\tfreq: 5180\n\tsignal: -47 dBm\n')).toBe(
      -47,
    );
  });
});

describe('the lid of this computer', () => {
  it('is not there where the switches are others, or there are none', () => {
    expect(parseHasLid('')).toBe(false);
    expect(parseHasLid('N: Name="Headphone"\nB: EV=21\nB: SW=4\n')).toBe(false);
    expect(parseHasLid('B: SW=1 2\n')).toBe(false);
  });

  it('is there where a device has its switch', () => {
    expect(parseHasLid('N: Name="Lid Switch"\nB: PROP=0\nB: EV=21\nB: SW=1\n\n')).toBe(true);
  });
});
