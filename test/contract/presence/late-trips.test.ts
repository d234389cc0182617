import { expect, it, onTestFinished } from 'vitest';
import { LogindSource } from '../../../host-plugins/presence/sources/logind/logind-source.ts';
import { SleepGuard } from '../../../host-plugins/presence/sources/logind/sleep-guard.ts';
import { presence, visitor } from '../../unit/presence/presence-fixture.ts';
import { MockedLogind } from './mocked-logind.ts';

const limit = { timeout: 20_000 };
const inhibitor = 'sleep:shutdown delay Wireless Dock';

/** A device with this logind and a visiting VM. */
async function host(delayMaxMs: number) {
  const logind = await MockedLogind.start(delayMaxMs);
  onTestFinished(() => logind[Symbol.asyncDispose]());
  const systemBus = logind.bus.address;
  const guard = new SleepGuard(systemBus);
  const source = new LogindSource({ systemBus, guard, hasLid: async () => false });
  const here = await presence({ triggers: '{}', workspaces: [visitor], sources: [source], guard });
  onTestFinished(() => here[Symbol.asyncDispose]());
  await expect.poll(() => logind.inhibitors(), limit).toEqual([inhibitor]);
  return { logind, here };
}

it('a VM that cannot leave in time stays, whole, and logind has not to give up waiting', async () => {
  const { logind, here } = await host(3_000);
  await logind.prepareFor('Sleep', true);
  const trip = await here.places.call(0);
  expect(await logind.inhibitors()).toEqual([inhibitor]);
  await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
  expect(trip.signal.reason).toMatchObject({
    kind: 'timeout',
    message: 'not in time: "work" stays here, the computer sleeps with it',
  });
  expect(here.places.list()).toEqual([visitor]);
});

it('a VM that leaves in time has left when the inhibitor is let go', async () => {
  const { logind, here } = await host(120_000);
  await logind.prepareFor('Sleep', true);
  const trip = await here.places.call(0);
  expect(await logind.inhibitors()).toEqual([inhibitor]);
  trip.arrive();
  await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
  expect(here.places.list()).toMatchObject([{ where: { at: visitor.home } }]);
});
