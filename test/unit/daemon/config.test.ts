import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../host-plugins/daemon/config.ts';
import type { Fault } from '../../../policies/positioned-yaml/fault.ts';
import type { DockError } from '../../../protocol/dock-error.ts';

const file = '/etc/wireless-dock/wdockd.yaml';
const parse = (text: string) => parseConfig(text, file, 'my-pad.home.example');

function mistakes(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    const { kind, detail } = error as DockError & { detail: { faults: Fault[] } };
    expect(kind).toBe('config-invalid');
    return detail.faults.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
  }
  return [];
}

describe('wdockd.yaml with mistakes', () => {
  it('names the line and column of a misspelt key, and what was meant', () => {
    expect(mistakes('device: {class: mid}\nlisten:\n  prot: 7440\n')).toEqual([
      expect.stringMatching(/^3:3 listen\.prot: .*did you mean "port"/),
    ]);
  });

  it('names all of them at once', () => {
    const text = 'device:\n  class: phone\nlisten:\n  port: 99999\nlog:\n  level: loud\n';
    expect(mistakes(text).map((line) => line.split(' ')[0])).toEqual(['2:10', '4:9', '6:10']);
  });

  it.each([
    ['without a class', 'device: {name: pad}\n', /class/],
    ['without a device', 'listen: {port: 1}\n', /device/],
    ['that is empty', '', /./],
    ['that is a list', '- a\n', /./],
    ['that is no YAML', 'device: {class: mid\n', /./],
    ['with a name that is a path', 'device: {name: ../x, class: mid}\n', /a device name has/],
    [
      'with an interface name that is none',
      'device: {class: mid}\nnetwork: {uplink: "eth0 up"}\n',
      /interface name/,
    ],
    [
      'with a downtime above its own limit',
      'device: {class: mid}\nmigration: {downtimeLimitMs: 5000, maxDowntimeMs: 100}\n',
      /^2:30 migration\.downtimeLimitMs: .*more than maxDowntimeMs/,
    ],
    [
      'with an address that is none',
      'device: {class: mid}\nlisten: {address: foo bar}\n',
      /^2:19 listen\.address: .*neither an IP address nor a host name/,
    ],
    [
      'with a runtime folder that is too long for the socket in it',
      `device: {class: mid}\nruntimeFolder: /${'x'.repeat(120)}\n`,
      /^2:16 runtimeFolder: the socket path .* has 133 bytes/,
    ],
    [
      'with a socket path that is too long',
      `device: {class: mid}\ncontrolSocket: /${'x'.repeat(120)}\n`,
      /^2:16 controlSocket: the socket path .* has 121 bytes/,
    ],
    [
      'with metrics for others',
      'device: {class: mid}\nmetrics: {listen: "0.0.0.0:9744"}\n',
      /2:19.*127\.0\.0\.1:PORT/,
    ],
    ['with metrics at a name', 'device: {class: mid}\nmetrics: {listen: "localhost:9744"}\n', /2:19/],
    ['with a downtime of a minute', 'device: {class: mid}\nmigration: {downtimeLimitMs: 60000}\n', /10000/],
  ])('%s is refused', (_what, text, message) => {
    expect(mistakes(text).join('\n')).toMatch(message);
  });
});

describe('wdockd.yaml', () => {
  it('needs to say no more than the class', () => {
    expect(parse('device: {class: mid}\n')).toEqual({
      file,
      device: { name: 'my-pad', class: 'mid' },
      stateFolder: '/var/lib/wireless-dock',
      runtimeFolder: '/run/wireless-dock',
      controlSocket: '/run/wireless-dock/wdockd.sock',
      listen: { port: 7440 },
      policies: ['/etc/wireless-dock/policies'],
      visitorKernels: ['/boot', '/usr'],
      baseImages: [],
      keptMemory: { enabled: true, maxMiB: 8192 },
      warmUp: { accept: true, maxMiB: 2048, maxMbitPerS: 30, keepDays: 7 },
      profile: undefined,
      identity: { tpm: 'auto' },
      dbus: { serve: true },
      network: {},
      log: { level: 'info' },
      tunnel: { patienceMinutes: 10 },
      migration: { downtimeLimitMs: 300, maxDowntimeMs: 3000, stallLimitMs: 90_000, timeLimitMinutes: 60 },
    });
  });

  it.each(['0.0.0.0', '::', 'fe80::1%eth0', 'pad.local', 'localhost'])('listens on %s', (address) => {
    expect(parse(`device: {class: mid}\nlisten: {address: "${address}"}\n`).listen.address).toBe(address);
  });

  it('takes relative paths from its own folder', () => {
    const text =
      'device: {class: mid}\nstateFolder: state\nruntimeFolder: ../run\nprofile: mid.yaml\npolicies: [p, /q]\n';
    expect(parse(text)).toMatchObject({
      stateFolder: '/etc/wireless-dock/state',
      runtimeFolder: '/etc/run',
      controlSocket: '/etc/run/wdockd.sock',
      profile: '/etc/wireless-dock/mid.yaml',
      policies: ['/etc/wireless-dock/p', '/q'],
    });
  });
});
