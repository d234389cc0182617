import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadIdentity, type OwnIdentity } from '../../../host-plugins/pairing/identity.ts';
import { Tpm, tpmDevice } from '../../../host-plugins/system/tpm/tpm.ts';
import { loadPlainIdentity } from '../../unit/pairing/plain-identity.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { describeWithTpm } from './describe-with-tpm.ts';
import { SoftwareTpm } from './software-tpm.ts';

let tpm: SoftwareTpm;
/** A device's state folder. */
let state: string;
const at = (...names: string[]) => join(state, 'identity', ...names);

beforeEach(async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  state = folder.path;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** The next start of wdockd on a computer with that TPM; undefined: without any. */
async function startWith(
  which: SoftwareTpm | undefined,
  { wanted = true, limitMs = 60_000 } = {},
): Promise<OwnIdentity> {
  await which?.freeSessions();
  vi.stubEnv('SYSTEMD_TPM2_DEVICE', which?.device);
  return await loadIdentity(state, 'mid', { tpm: new Tpm(limitMs), wanted }, new AbortController().signal);
}

async function content(): Promise<Record<string, string>> {
  const names = (await readdir(at())).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(at(name), 'utf8')));
  return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']));
}

const sealed = ['device.crt', 'device.key.sealed'];
const plain = ['device.crt', 'device.key'];

describeWithTpm('the private key of a device with a TPM', () => {
  beforeEach(async () => {
    tpm = await SoftwareTpm.start();
    onTestFinished(() => tpm[Symbol.asyncDispose]());
  });

  describe('that is sealed already', () => {
    let before: OwnIdentity;
    let files: Record<string, string>;
    beforeEach(async () => {
      before = await startWith(tpm);
      files = await content();
    });

    it('does not open on another computer; the error says so, and how to pair anew', async () => {
      await using other = await SoftwareTpm.start();
      const message = await startWith(other).then(
        () => '',
        (error: unknown) => (error as Error).message,
      );
      expect(message).toContain(at('device.key.sealed'));
      expect(message).toMatch(/sealed by another TPM.*use it in the computer in which it was sealed/);
      expect(message).toMatch(/only when the TPM .* is gone for good, move .*identity away.*wdock pair/i);
      expect(await content()).toEqual(files);
    });

    it('does not open when the TPM was cleared, and is not replaced', async () => {
      await tpm.use('tpm2_clear', '--auth-hierarchy=platform');
      await expect(startWith(tpm)).rejects.toThrow(/before it was cleared/);
      expect(await content()).toEqual(files);
    });

    it.each<[string, RegExp, (tpm: SoftwareTpm) => Promise<void>, (tpm: SoftwareTpm) => Promise<void>]>([
      [
        "is locked by other programs' wrong passwords",
        /locked for a while.*tpm2_dictionarylockout --clear-lockout/,
        async () => await lockOut(tpm),
        async () => await tpm.use('tpm2_dictionarylockout', '--clear-lockout'),
      ],
      [
        'has got a password for its owner',
        /owner has set a password.*tpm2_changeauth/,
        async () => await tpm.use('tpm2_changeauth', '--object-context=owner', 'word'),
        async () => await tpm.use('tpm2_changeauth', '--object-context=owner', '--object-auth=word'),
      ],
      [
        'has measured something into PCR 16',
        /PCR 16.*tpm2_pcrreset 16/,
        async () => await tpm.use('tpm2_pcrextend', `16:sha256=${'07'.repeat(32)}`),
        async () => await tpm.use('tpm2_pcrreset', '16'),
      ],
    ])('stays as it is while the TPM %s, with a word on what to do', async (_what, message, spoil, mend) => {
      await spoil(tpm);
      await expect(startWith(tpm)).rejects.toMatchObject({ kind: 'io', message });
      expect(await content()).toEqual(files);
      await mend(tpm);
      expect(await startWith(tpm)).toEqual(before);
    });

    it('stays as it is while the TPM does not answer', async () => {
      await tpm.freeSessions();
      tpm.pause();
      vi.stubEnv('SYSTEMD_TPM2_DEVICE', tpm.device);
      const use = { tpm: new Tpm(500), wanted: true };
      const start = loadIdentity(state, 'mid', use, new AbortController().signal);
      await expect(start).rejects.toMatchObject({ kind: 'timeout', message: /did not answer within 0\.5 s/ });
      expect(await content()).toEqual(files);
      tpm.resume();
      expect(await startWith(tpm)).toEqual(before);
    });

    it.each(['swtpm:path=/nowhere', 'device:/dev/no-tpm'])(
      'stays as it is without a TPM (%s)',
      async (none) => {
        vi.stubEnv('SYSTEMD_TPM2_DEVICE', none);
        const use = { tpm: new Tpm(), wanted: true };
        const start = loadIdentity(state, 'mid', use, new AbortController().signal);
        await expect(start).rejects.toThrow(/cannot be reached .*switched on/);
        expect(await content()).toEqual(files);
      },
    );

    it('is refused when it is cut off, or that of another certificate', async () => {
      await writeFile(at('device.key.sealed'), files['device.key.sealed']?.slice(0, 200) ?? '');
      await expect(startWith(tpm)).rejects.toThrow(/does not open this device's private key/);

      const own = state;
      state = join(own, 'other');
      await mkdir(state);
      await startWith(tpm);
      await cp(at('device.key.sealed'), join(own, 'identity', 'device.key.sealed'));
      state = own;
      await expect(startWith(tpm)).rejects.toMatchObject({
        kind: 'config-invalid',
        message: /is not the key of/,
      });
    });

    it('is refused when the certificate is gone', async () => {
      await rm(at('device.crt'));
      await expect(startWith(tpm)).rejects.toMatchObject({ kind: 'config-invalid' });
      expect(await readdir(at())).toEqual(['device.key.sealed']);
    });

    it('is the same at each start, and no file has it', async () => {
      expect(before.keyAtRest).toEqual({ kind: 'sealed' });
      expect(await startWith(tpm)).toEqual(before);
      expect(await content()).toEqual(files);
      expect(Object.keys(files)).toEqual(sealed);
      expect(await readdir(state)).toEqual(['identity']);
      for (const text of Object.values(files)) expect(text).not.toContain('PRIVATE KEY');
      expect((await stat(at('device.key.sealed'))).mode & 0o777).toBe(0o600);
    });

    it('becomes a plain file when that is asked for, and is sealed again when it is not', async () => {
      const { privateKeyPem } = before;
      expect(await startWith(tpm, { wanted: false })).toMatchObject({
        privateKeyPem,
        keyAtRest: { kind: 'file', because: 'not-wanted' },
      });
      expect(Object.keys(await content())).toEqual(plain);
      expect((await stat(at('device.key'))).mode & 0o777).toBe(0o600);
      expect(await startWith(tpm)).toEqual(before);
      expect(Object.keys(await content())).toEqual(sealed);
    });
  });

  describe('that an earlier version left in a plain file', () => {
    let earlier: OwnIdentity;
    beforeEach(async () => {
      earlier = await loadPlainIdentity(state, 'mid');
    });

    it('stays there while the TPM cannot seal it, and the reason is known', async () => {
      await tpm.use('tpm2_changeauth', '--object-context=owner', 'word');
      expect(await startWith(tpm)).toMatchObject({
        privateKeyPem: earlier.privateKeyPem,
        keyAtRest: {
          kind: 'file',
          because: 'tpm-failed',
          error: { message: expect.stringMatching(/password/) },
        },
      });
      expect(Object.keys(await content())).toEqual(plain);
    });

    it('is sealed at the next start, and the plain file is gone', async () => {
      expect(await startWith(tpm)).toEqual({ ...earlier, keyAtRest: { kind: 'sealed' } });
      expect(Object.keys(await content())).toEqual(sealed);
      expect((await startWith(tpm)).privateKeyPem).toBe(earlier.privateKeyPem);
    });

    // What each step leaves to a crash before the next one.
    it.each<[string, (blob: string) => Record<string, string>]>([
      ['while the sealed one was written', (blob) => ({ 'device.key.sealed.77.new': blob.slice(0, 100) })],
      ['before the sealed one got its name', (blob) => ({ 'device.key.sealed.77.new': blob })],
      ['before the sealed one was opened', (blob) => ({ 'device.key.sealed': blob })],
      ['and the sealed one was lost by the disk', () => ({ 'device.key.sealed': '' })],
    ])('is sealed after a crash %s', async (_when, left) => {
      const { 'device.key': key = '' } = await content();
      await startWith(tpm);
      const blob = (await content())['device.key.sealed'] ?? '';
      await rm(at('device.key.sealed'));
      await writeFile(at('device.key'), key);
      for (const [name, text] of Object.entries(left(blob))) await writeFile(at(name), text);
      expect((await startWith(tpm)).privateKeyPem).toBe(earlier.privateKeyPem);
      expect(Object.keys(await content())).toEqual(sealed);
      expect((await startWith(tpm)).privateKeyPem).toBe(earlier.privateKeyPem);
    });

    it('counts while it is there, whatever became of the TPM since', async () => {
      await startWith(tpm);
      await writeFile(at('device.key'), earlier.privateKeyPem);
      await using other = await SoftwareTpm.start();
      expect((await startWith(other)).privateKeyPem).toBe(earlier.privateKeyPem);
      expect((await startWith(other)).privateKeyPem).toBe(earlier.privateKeyPem);
    });
  });

  describe('that has none yet', () => {
    it('is made in a plain file where the TPM cannot seal, and the reason is known', async () => {
      await tpm.use('tpm2_changeauth', '--object-context=owner', 'word');
      expect((await startWith(tpm)).keyAtRest).toMatchObject({ kind: 'file', because: 'tpm-failed' });
      expect(Object.keys(await content())).toEqual(plain);
    });
  });
});

it.skipIf(existsSync(tpmDevice))('the private key of a device without a TPM is a plain file', async () => {
  expect((await startWith(undefined)).keyAtRest).toEqual({ kind: 'file', because: 'no-tpm' });
  expect(Object.keys(await content())).toEqual(plain);
  expect((await stat(at('device.key'))).mode & 0o777).toBe(0o600);
});

async function lockOut(tpm: SoftwareTpm): Promise<void> {
  const scratch = await temporaryFolder();
  onTestFinished(() => scratch[Symbol.asyncDispose]());
  const file = (name: string) => join(scratch.path, name);
  await tpm.use(
    ...(['tpm2_dictionarylockout', '--setup-parameters', '--max-tries=1'] as const),
    ...['--recovery-time=1000', '--lockout-recovery-time=1000'],
  );
  await tpm.use('tpm2_createprimary', '--hierarchy=o', `--key-context=${file('primary')}`);
  await writeFile(file('secret'), 'x');
  await tpm.use(
    ...(['tpm2_create', `--parent-context=${file('primary')}`, `--sealing-input=${file('secret')}`] as const),
    ...['--key-auth=right', `--public=${file('public')}`, `--private=${file('private')}`],
  );
  await tpm.use(
    ...(['tpm2_load', `--parent-context=${file('primary')}`, `--public=${file('public')}`] as const),
    ...[`--private=${file('private')}`, `--key-context=${file('loaded')}`],
  );
  const guess = tpm.use('tpm2_unseal', `--object-context=${file('loaded')}`, '--auth=wrong');
  await expect(guess).rejects.toThrow(/authorization/);
}
