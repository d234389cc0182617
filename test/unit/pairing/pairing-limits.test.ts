import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ExchangeLimits } from '../../../host-plugins/pairing/exchange-limits.ts';
import { ownAddresses } from '../../../host-plugins/pairing/own-addresses.ts';
import { WrongGuesses } from '../../../host-plugins/pairing/wrong-guesses.ts';

function clock() {
  let now = 1_000_000;
  return {
    now: () => now,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('strangers that try a code', () => {
  it('from one address try one at a time, and pause in between', () => {
    const { now, pass } = clock();
    const limits = new ExchangeLimits(now);
    const place = limits.enter('192.0.2.1');
    expect(limits.enter('192.0.2.1')).toBeUndefined();
    place?.[Symbol.dispose]();
    pass(999);
    expect(limits.enter('192.0.2.1')).toBeUndefined();
    pass(1);
    expect(limits.enter('192.0.2.1')).toBeDefined();
  });

  it('from many addresses try four at a time', () => {
    const limits = new ExchangeLimits(clock().now);
    const places = ['a', 'b', 'c', 'd'].map((address) => limits.enter(address));
    expect(places.every((place) => place !== undefined)).toBe(true);
    expect(limits.full).toBe(true);
    expect(limits.enter('e')).toBeUndefined();
    places[0]?.[Symbol.dispose]();
    expect(limits.enter('e')).toBeDefined();
  });
});

describe('wrong guesses', () => {
  it('of which five came within ten minutes end guessing, until the first of them is ten minutes old', () => {
    const { now, pass } = clock();
    const guesses = new WrongGuesses(now);
    for (let n = 0; n < 5; n++) {
      guesses.check();
      guesses.add();
      pass(60_000);
    }
    expect(() => guesses.check()).toThrow(/5 wrong codes.*wait 5 min/);
    pass(5 * 60_000 - 1);
    expect(() => guesses.check()).toThrow(/wait 1 min/);
    pass(1);
    guesses.check();
    guesses.add();
    expect(() => guesses.check()).toThrow(/wait 1 min/); // the second one is nine minutes old
  });
});

describe('the addresses that are shown with a code', () => {
  const address = (text: string, internal = false): NetworkInterfaceInfo =>
    ({ address: text, family: text.includes(':') ? 'IPv6' : 'IPv4', internal }) as NetworkInterfaceInfo;
  const interfaces = {
    lo: [address('127.0.0.1', true), address('::1', true)],
    eth0: [address('2001:db8::7'), address('fe80::7'), address('192.0.2.7')],
    wlan0: [address('169.254.3.4'), address('198.51.100.7')],
  };

  it('are those that others can use, IPv4 first', () => {
    expect(ownAddresses('::', interfaces)).toEqual(['192.0.2.7', '198.51.100.7', '2001:db8::7']);
    expect(ownAddresses('0.0.0.0', interfaces)).toEqual(['192.0.2.7', '198.51.100.7']);
  });

  it('are the one that the device listens on, where that is one', () => {
    expect(ownAddresses('198.51.100.7', interfaces)).toEqual(['198.51.100.7']);
  });
});
