import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatFingerprint } from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { Running, wdockdFolder } from '../daemon/processes.ts';

const fixture = fileURLToPath(new URL('fixture-presence.ts', import.meta.url));

describe('the shipped wdockd with a source of observations', () => {
  it('shows how near a device is, why, and by which rules; its sources end with it', async () => {
    await using here = await wdockdFolder('mid', { address: '127.0.0.1', port: 0 });
    await using wdockd = new Running([process.execPath, fixture, here.config]);
    await wdockd.printed('serving now');
    await using watch = here.wdock('watch');
    await watch.printed('Watching mid');

    const pc = await generateIdentity('pc');
    const certificate = join(here.path, 'pc.pem');
    await writeFile(certificate, pc.certificatePem);
    const fingerprint = formatFingerprint(pc.id);
    // nobody is at this address: nearness comes from the source alone
    await using add = here.wdock(
      'devices',
      'add',
      certificate,
      '--fingerprint',
      fingerprint,
      '--address',
      '127.0.0.1:9',
    );
    expect((await add.ended).exit).toBe(0);

    await watch.printed('pc  near: link quality 92 %, at least 65 % (signal -54 dBm)');
    await using devices = here.wdock('devices');
    expect((await devices.ended).out).toMatch(/^pc .* near +not reachable$/m);
    await using triggers = here.wdock('triggers', '--device', 'pc');
    expect((await triggers.ended).out).toMatch(/^triggers\.dock +ask +laptop\.yaml:\d+ triggers\.dock/m);
    await using forget = here.wdock('devices', 'forget', 'pc');
    expect((await forget.ended).exit).toBe(0);
    await using empty = here.wdock('triggers');
    expect((await empty.ended).out).toContain('No other devices');

    wdockd.kill('SIGTERM');
    const { exit, out } = await wdockd.ended;
    expect(exit).toBe(0);
    expect(out).toContain('the source has ended');
  });
});
