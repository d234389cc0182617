import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Check } from '../../../protocol/control-methods.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { Running } from '../daemon/processes.ts';
import { describeWithTpm } from './describe-with-tpm.ts';
import { SoftwareTpm } from './software-tpm.ts';

const project = join(import.meta.dirname, '../../..');
const program = (name: 'daemon' | 'cli') => join(project, 'host-plugins', name, 'main.ts');

/** The real wdockd, which plays another device, with the real wdock. */
async function device() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const config = join(folder.path, 'wdockd.yaml');
  const profile = join(project, 'test/lab/profiles/mid.yaml');
  const configure = async (tpm: 'auto' | 'off') => {
    await writeFile(
      config,
      [
        ...['device: {class: mid}', 'stateFolder: state', 'runtimeFolder: run', `profile: ${profile}`],
        ...['listen: {address: 127.0.0.1, port: 0}', 'dbus: {serve: false}', `identity: {tpm: ${tpm}}`, ''],
      ].join('\n'),
    );
  };
  await configure('auto');
  const wdock = async (...args: string[]): Promise<unknown> => {
    const { out } = await new Running([
      process.execPath,
      program('cli'),
      '--config',
      config,
      '--json',
      ...args,
    ]).ended;
    return JSON.parse(out);
  };
  return {
    configure,
    state: join(folder.path, 'state'),
    async spawn(tpm: SoftwareTpm) {
      await tpm.freeSessions();
      const argv = [process.execPath, program('daemon'), '--config', config];
      const daemon = new Running(argv, { ...process.env, SYSTEMD_TPM2_DEVICE: tpm.device });
      onTestFinished(() => daemon[Symbol.asyncDispose]());
      return daemon;
    },
    fingerprint: async () => await wdock('devices', 'certificate'),
    async doctor(): Promise<Check | undefined> {
      const { checks } = (await wdock('doctor')) as { checks: Check[] };
      return checks.find(({ name }) => name === 'private key');
    },
  };
}

async function started(daemon: Running): Promise<Running> {
  await daemon.printed('"msg":"ready"');
  return daemon;
}

async function stopped(daemon: Running): Promise<void> {
  daemon.kill('SIGTERM');
  expect(await daemon.ended).toMatchObject({ exit: 0 });
}

describeWithTpm('wdockd with a TPM', () => {
  it('does not start with the state folder of another computer, and says why in its log, too', async () => {
    await using tpm = await SoftwareTpm.start();
    await using other = await SoftwareTpm.start();
    const here = await device();
    await stopped(await started(await here.spawn(tpm)));
    const { exit, err } = await (await here.spawn(other)).ended;
    expect(exit).toBe(1);
    expect(err).toMatch(/^wdockd: the TPM does not open .*sealed by another TPM/);
    const log = await readFile(join(here.state, 'log', 'wdockd.log'), 'utf8');
    expect(log).toMatch(/could not start/);
    expect(log).toMatch(/sealed by another TPM/);
    expect(log).not.toMatch(/PRIVATE KEY/);
  });

  it('has its key sealed or in a file as it is told, and wdock doctor says which', async () => {
    await using tpm = await SoftwareTpm.start();
    const here = await device();
    const first = await started(await here.spawn(tpm));
    expect(await here.doctor()).toMatchObject({ state: 'ok', detail: /^sealed by the TPM/ });
    const fingerprint = await here.fingerprint();
    await stopped(first);
    expect((await readdir(join(here.state, 'identity'))).toSorted()).toEqual([
      'device.crt',
      'device.key.sealed',
    ]);

    await here.configure('off');
    const second = await started(await here.spawn(tpm));
    expect(await here.doctor()).toMatchObject({ state: 'ok', detail: /^a file .*identity\.tpm/ });
    expect(await here.fingerprint()).toEqual(fingerprint);
    await stopped(second);

    await here.configure('auto');
    await tpm.use('tpm2_changeauth', '--object-context=owner', 'word');
    const third = await started(await here.spawn(tpm));
    await third.printed('the TPM does not seal the private key');
    expect(await here.doctor()).toMatchObject({
      state: 'warning',
      detail: /^a file/,
      remedy: /tpm2_changeauth .*restart wdockd/,
    });
    expect(await here.fingerprint()).toEqual(fingerprint);
  });
});
