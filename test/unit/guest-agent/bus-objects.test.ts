import { describe, expect, it } from 'vitest';
import { Inhibitors } from '../../../guest-agent/apply/inhibitors.ts';
import { parseMutterState } from '../../../guest-agent/apply/mutter-state.ts';
import { agentPath, agentShape } from '../../../guest-agent/dbus/agent-interface.ts';
import { describeInterfaceFile } from '../../../guest-agent/dbus/dbus-interface.ts';
import { type DbusSignal, formatMatchRule, matchesSignal } from '../../../guest-agent/dbus/dbus-match.ts';
import { DbusObjects, type IncomingCall } from '../../../guest-agent/dbus/dbus-objects.ts';
import { makeVariant, plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { implement } from '../../../guest-agent/dbus/implement.ts';
import { DockError } from '../../../protocol/dock-error.ts';

describe('objects on the bus', () => {
  const objects = new DbusObjects();
  objects.add(
    agentPath,
    implement(
      agentShape,
      {
        Inhibit: () => {
          throw new DockError('conflict', 'too many');
        },
        Uninhibit: () => [],
        RegisterSession: () => [],
        GetState: async () => ['{}'],
      },
      {
        Version: () => '1',
        HostName: () => 'pc',
        HostClass: () => 'desktop',
        Simulated: () => false,
        HostConnectivity: () => 'full',
        Guarded: () => false,
        Epoch: () => 3,
        Moving: () => false,
        Vcpus: () => 2,
        Inhibitors: () => [],
      },
    ),
  );
  const call = (change: Partial<IncomingCall>) =>
    objects.answer({
      sender: ':1.1',
      path: agentPath,
      interface: agentShape.name,
      member: 'GetState',
      signature: '',
      body: [],
      ...change,
    });

  it('leave calls to other paths to whoever answers there', () => {
    expect(call({ path: '/elsewhere' })).toBeUndefined();
  });

  it.each([
    ['an unknown method', { member: 'Nonsense' }, 'UnknownMethod'],
    ['a name that every object has', { member: 'constructor' }, 'UnknownMethod'],
    ['another interface', { interface: 'org.example.X' }, 'UnknownMethod'],
    ['wrong arguments', { member: 'Inhibit', signature: 's', body: ['me'] }, 'InvalidArgs'],
    [
      'a property that is not there',
      {
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: [agentShape.name, '__proto__'],
      },
      'UnknownProperty',
    ],
    [
      'a property being set',
      {
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Set',
        signature: 'ssv',
        body: [agentShape.name, 'Epoch', makeVariant('t', 1)],
      },
      'PropertyReadOnly',
    ],
  ])('refuse %s', async (_, change, error) => {
    expect(await call(change)).toMatchObject({ kind: 'error', name: expect.stringContaining(error) });
  });

  it('answer with the kind of what a method threw', async () => {
    expect(await call({ member: 'Inhibit', signature: 'ss', body: ['me', 'why'] })).toEqual({
      kind: 'error',
      name: 'org.wirelessdock.Error.Conflict',
      text: 'too many',
    });
  });

  it('describe themselves, and the way to them', async () => {
    const face = { interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' };
    expect(await call({ ...face, path: '/org' })).toMatchObject({
      body: [expect.stringContaining('name="wirelessdock"')],
    });
    expect(await call(face)).toMatchObject({ body: [expect.stringContaining('<method name="Inhibit">')] });
  });

  it('are described by the same text in the file that is installed', () => {
    const file = describeInterfaceFile(agentShape);
    for (const member of [...Object.keys(agentShape.methods), ...Object.keys(agentShape.signals)])
      expect(file).toContain(`name="${member}"`);
  });
});

describe('a match', () => {
  const signal: DbusSignal = { sender: ':1.7', path: '/a', interface: 'i.f', member: 'M', body: ['x', 1] };

  it('does not take a signal of a service that has lost its name', () => {
    expect(matchesSignal({ sender: 'org.x' }, signal, { known: true, uniqueName: ':1.8' })).toBe(false);
    expect(matchesSignal({ sender: 'org.x' }, signal, { known: true, uniqueName: undefined })).toBe(false);
    expect(matchesSignal({ sender: ':1.8' }, signal, undefined)).toBe(false);
  });

  it('takes the signals of whoever owns the name now, and trusts the bus until that is known', () => {
    expect(matchesSignal({ sender: 'org.x' }, signal, { known: true, uniqueName: ':1.7' })).toBe(true);
    expect(matchesSignal({ sender: 'org.x' }, signal, { known: false })).toBe(true);
  });

  it.each([{ path: '/b' }, { interface: 'i.g' }, { member: 'N' }, { arg0: 'y' }])('looks at %o', (match) => {
    expect(matchesSignal(match, signal, undefined)).toBe(false);
  });

  it('is written with apostrophes that cannot end it', () => {
    expect(formatMatchRule({ arg0: "it's" })).toBe("type='signal',arg0='it'\\''s'");
  });
});

describe('values from the bus', () => {
  it('are opened, and their keys cannot replace a prototype', () => {
    const dictionary = JSON.parse('{"__proto__": 1, "a": 2}') as object;
    const plain = plainDbusValue([makeVariant('a{sv}', dictionary), 5n]) as [Record<string, unknown>, number];
    expect(Object.keys(plain[0])).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(plain[0])).toBeNull();
    expect(plain[1]).toBe(5);
  });

  it('of a dictionary with the keys of a variant stay a dictionary', () => {
    expect(plainDbusValue({ signature: 's', value: 1 })).toEqual({ signature: 's', value: 1 });
  });
});

describe('inhibitors', () => {
  it('are bounded for each holder and in all, and go with their holder', () => {
    const held = new Inhibitors();
    for (let count = 0; count < 16; count++) expect(held.take(':1.1', 'me', '')).toBeTypeOf('number');
    expect(held.take(':1.1', 'me', '')).toBeUndefined();
    for (let holder = 2; holder <= 16; holder++)
      for (let count = 0; count < 16; count++) held.take(`:1.${holder}`, 'x', '');
    expect(held.take(':1.99', 'late', '')).toBeUndefined();
    expect(held.releaseAll(':1.1')).toBe(true);
    expect(held.take(':1.99', 'late', '')).toBeTypeOf('number');
  });

  it('are released by their holder only', () => {
    const held = new Inhibitors();
    const cookie = held.take(':1.1', 'me', 'saving') as number;
    expect(held.release(':1.2', cookie)).toBe(false);
    expect(held.release(':1.1', cookie)).toBe(true);
    expect(held.release(':1.1', cookie)).toBe(false);
  });

  it('do not keep a text of any length', () => {
    const held = new Inhibitors();
    held.take(':1.1', 'x'.repeat(10_000), 'y'.repeat(10_000));
    expect(held.all()[0]?.who.length).toBe(200);
  });
});

describe("Mutter's state", () => {
  it('has no display while no monitor is in use', () => {
    const monitor = [['Virtual-1', '', '', ''], [['1024x600@60', 1024, 600, 60, 1, [1], {}]], {}];
    expect(parseMutterState([5, [monitor], [], {}])).toMatchObject({ serial: 5, display: undefined });
    expect(parseMutterState([5, [], [], {}]).monitors).toEqual([]);
  });
});
