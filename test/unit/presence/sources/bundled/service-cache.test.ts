import { describe, expect, it } from 'vitest';
import type { DnsRecord } from '../../../../../host-plugins/presence/sources/announcements/bundled/dns-message.ts';
import {
  goodbye,
  isAskedFor,
  ownRecords,
} from '../../../../../host-plugins/presence/sources/announcements/bundled/own-records.ts';
import { ServiceCache } from '../../../../../host-plugins/presence/sources/announcements/bundled/service-cache.ts';

const typeName = '_wireless-dock._tcp.local';
const service = (name: string, addresses: readonly string[] = ['192.0.2.7']) =>
  ownRecords({ name, host: `${name}-host.local`, port: 7441, addresses, txt: ['0=abc'] });
const browse = { name: typeName, type: 'PTR' };

/** When it asks, if nobody says anything, up to this time. */
function askingTimes(cache: ServiceCache, untilMs: number): [number, unknown][] {
  const asked: [number, unknown][] = [];
  for (let at = cache.nextMs(); at <= untilMs; at = cache.nextMs()) {
    const questions = cache.questions(at);
    cache.services(at);
    if (questions.length > 0) asked.push([at, questions.map(({ name, type }) => `${type} ${name}`)]);
  }
  return asked;
}

describe('what is known of the services on a link', () => {
  it('has nothing of what is not ours, incomplete, or of a host that no service named', () => {
    const cache = new ServiceCache(0);
    cache.note(
      [
        { type: 'PTR', name: '_ipp._tcp.local', target: 'printer._ipp._tcp.local', ttlS: 120, unique: false },
        { type: 'PTR', name: typeName, target: 'elsewhere.local', ttlS: 120, unique: false },
        { type: 'A', name: 'stranger.local', address: '192.0.2.66', ttlS: 120, unique: true },
        ...service('half').filter(({ type }) => type !== 'TXT'),
      ],
      0,
    );
    expect(cache.services(0)).toEqual([]);
  });

  it('has a service once for each address, however its messages are cut and mixed', () => {
    const records = service('x', ['192.0.2.7', 'fe80::7']);
    const [atOnce, oneByOne] = [new ServiceCache(0), new ServiceCache(0)];
    atOnce.note(records.toReversed(), 0);
    for (const type of ['TXT', 'PTR', 'SRV', 'AAAA', 'A']) {
      oneByOne.note(
        records.filter((record) => record.type === type),
        0,
      );
    }
    for (const cache of [atOnce, oneByOne]) {
      expect(cache.services(0)).toEqual([
        { key: `x.${typeName} 192.0.2.7`, address: '192.0.2.7', port: 7441, txt: ['0=abc'] },
        { key: `x.${typeName} fe80::7`, address: 'fe80::7', port: 7441, txt: ['0=abc'] },
      ]);
    }
  });

  it('loses a service a second after its good-bye, and one that says nothing within two minutes', () => {
    const cache = new ServiceCache(0);
    cache.note([...service('polite'), ...service('silent')], 0);
    cache.note(goodbye(service('polite')), 50_000);
    expect(cache.services(50_999)).toHaveLength(2);
    expect(cache.services(51_000).map(({ key }) => key.split('.')[0])).toEqual(['silent']);
    expect(cache.services(120_000)).toEqual([]);
  });

  it('asks for what is about to be lost four times before, and keeps it when it is answered', () => {
    const cache = new ServiceCache(0);
    cache.questions(0);
    cache.note(service('x'), 0);
    const times = askingTimes(cache, 119_999).filter(([, questions]) => String(questions).includes('SRV'));
    expect(times.map(([at]) => at)).toEqual([96_000, 102_000, 108_000, 114_000]);
    cache.note(service('x'), 119_999);
    expect(cache.services(200_000)).toHaveLength(1);
  });

  it('takes a new address of a host for its only one, after a second', () => {
    const cache = new ServiceCache(0);
    cache.note(service('x', ['192.0.2.7']), 0);
    cache.note(service('x', ['192.0.2.8']), 10_000);
    expect(cache.services(10_999)).toHaveLength(2);
    expect(cache.services(11_000).map(({ address }) => address)).toEqual(['192.0.2.8']);
  });

  it('asks for what a service has not told of itself, four times and not for ever', () => {
    const cache = new ServiceCache(0);
    cache.note(service('x').slice(0, 1), 0);
    const about = askingTimes(cache, 3_000_000).filter(([, questions]) =>
      String(questions).includes('ANY x.'),
    );
    expect(about.map(([at]) => at)).toEqual([100, 1_100, 4_100, 13_100]);
  });

  it('asks who is there at once, and then less and less often, up to an hour', () => {
    const times = askingTimes(new ServiceCache(0), 5 * 3_600_000).map(([at]) => at / 1000);
    expect(times.slice(0, 5)).toEqual([0, 1, 3, 7, 15]);
    expect(times.slice(-2).reduce((before, after) => after - before)).toBe(3600);
  });

  it('tells with its question what need not be told again', () => {
    const cache = new ServiceCache(0);
    cache.note(service('x'), 0);
    expect(cache.known([browse as never], 1_000_000)).toMatchObject([{ type: 'PTR', ttlS: 3500 }]);
    expect(cache.known([browse as never], 2_500_000)).toEqual([]);
  });

  it('is bounded, whatever strangers announce, and for however long', () => {
    const cache = new ServiceCache(0);
    const forEver = (record: DnsRecord): DnsRecord => ({ ...record, ttlS: 0xffffffff });
    for (let at = 0; at < 200; at++) cache.note(service(`n${at}`).map(forEver), at);
    expect(cache.services(1_000).length).toBeLessThanOrEqual(64);
    expect(cache.services(4_501_000)).toEqual([]);
  });
});

describe('who asks', () => {
  const own = service('x');
  const query = (name: string, type: 'PTR' | 'ANY' | 'A', known: readonly DnsRecord[] = []) => ({
    isResponse: false,
    questions: [{ name, type }],
    records: known,
  });

  it('for others, or knows ours for long enough, gets no answer', () => {
    expect(isAskedFor(own, query('_ipp._tcp.local', 'PTR'))).toBe(false);
    expect(isAskedFor(own, query(typeName, 'A'))).toBe(false);
    expect(isAskedFor(own, query(typeName, 'PTR', own.slice(0, 1)))).toBe(false);
  });

  it('for ours, in whatever case, or knows it not for much longer, gets one', () => {
    expect(isAskedFor(own, query(typeName.toUpperCase(), 'PTR'))).toBe(true);
    expect(isAskedFor(own, query('x-host.local', 'ANY'))).toBe(true);
    const old = own.slice(0, 1).map((record) => ({ ...record, ttlS: 2000 }));
    expect(isAskedFor(own, query(typeName, 'PTR', old))).toBe(true);
  });
});
