import { describe, expect, it } from 'vitest';
import { applyPowerProfile } from '../../../guest-agent/apply/power-profile.ts';
import { describeFailure } from '../../../guest-agent/dbus/dbus-failure.ts';

const bus = 'org.freedesktop.DBus.Error';

/** A bus with power-profiles-daemon, which answers so when it is told to change the profile. */
const busThatRefuses = (type: string, text: string) => ({
  getProperty: async () => [{ Profile: 'power-saver' }, { Profile: 'balanced' }],
  call: async () => {
    throw describeFailure({ type, text }, 'Set');
  },
});

const noPolkit = `GDBus.Error:${bus}.ServiceUnknown: The name org.freedesktop.PolicyKit1 was not provided by any .service files`;

describe('the power profile of a guest', () => {
  it.each([
    ['without polkit', `${bus}.AccessDenied`, `Not Authorized: ${noPolkit}`, /no polkit.*install polkitd/],
    ['without polkit, as older versions say it', `${bus}.ServiceUnknown`, noPolkit, /no polkit/],
    ['whose polkit refuses', `${bus}.AccessDenied`, 'Not Authorized: x', /polkit of the guest does not let/],
    ['that fails otherwise', `${bus}.Failed`, 'no such file', /was not set: Set: no such file/],
    ['without the daemon', `${bus}.ServiceUnknown`, 'none', /^the guest has no power-profiles-daemon$/],
  ])('%s: the problem is said in words', async (_guest, type, text, problem) => {
    const problems = await applyPowerProfile(
      busThatRefuses(type, text),
      'power-saver',
      AbortSignal.timeout(5_000),
    );
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).not.toContain('GDBus');
  });

  it('that the guest does not have is said with those that it has', async () => {
    const refusing = busThatRefuses('x', 'y');
    expect(await applyPowerProfile(refusing, 'performance', AbortSignal.timeout(5_000))).toEqual([
      'the guest has no power profile performance, only power-saver, balanced',
    ]);
  });
});
