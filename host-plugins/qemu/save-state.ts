import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../system/process/write-file-durably.ts';
import { fileChannel, setMigration } from './migration-settings.ts';
import { migrationFailure, untilMigration, untilSettled } from './migration-wait.ts';
import type { QmpClient } from './qmp-client.ts';
import { queryStatus } from './qmp-schema.ts';

/** Cleanup after an abort does not wait longer than this, ms. */
const cleanupMs = 15_000;

/**
 * Saves the machine to a file: stops the VM and writes its memory and devices. It is left stopped
 * (`postmigrate`), to be quit: once it runs on, the file no longer fits the disk. After any crash there is a
 * whole file or none of that name. When it fails or is aborted the VM runs on, if it ran.
 */
export async function saveState(qmp: QmpClient, file: string, signal: AbortSignal): Promise<void> {
  const temporary = `${file}.new`;
  const { running } = await queryStatus(qmp, signal);
  await rm(temporary, { force: true });
  try {
    await qmp.execute('stop', {}, signal);
    await setMigration(qmp, 'save', {}, signal);
    await qmp.execute('migrate', fileChannel(temporary), signal);
    const info = await untilMigration(qmp, ['completed'], () => {}, signal);
    if (info.status !== 'completed') throw migrationFailure(`saving the machine to ${file}`, info);
    await untilSettled(qmp, signal);
    await publish(temporary, file);
  } catch (error) {
    await undo(qmp, temporary, running, AbortSignal.timeout(cleanupMs));
    throw error;
  }
}

async function publish(temporary: string, file: string): Promise<void> {
  const written = await open(temporary, 'r+');
  try {
    await written.sync();
  } finally {
    await written.close();
  }
  await rename(temporary, file);
  await syncFolder(dirname(file));
}

async function undo(qmp: QmpClient, temporary: string, running: boolean, signal: AbortSignal): Promise<void> {
  await rm(temporary, { force: true });
  if (qmp.state !== 'running') return; // QEMU has gone, and what failed first says so
  await qmp.execute('migrate_cancel', {}, signal);
  await untilMigration(qmp, ['completed', 'none'], () => {}, signal);
  await untilSettled(qmp, signal);
  if (running) await qmp.execute('cont', {}, signal);
}
