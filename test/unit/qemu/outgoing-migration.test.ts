import { describe, expect, it } from 'vitest';
import { OutgoingMigration } from '../../../host-plugins/qemu/outgoing-migration.ts';
import { QmpClient } from '../../../host-plugins/qemu/qmp-client.ts';
import { ScriptedQmp } from './scripted-qmp.ts';

const soon = () => AbortSignal.timeout(5_000);

/** Answers as a QEMU whose migration is complete, and whose VM is in each of these states, the last one from then on. */
async function answer(qemu: ScriptedQmp, states: string[], seen: string[]): Promise<void> {
  for (;;) {
    const { execute, id } = await qemu.command();
    const status =
      execute === 'query-status' ? (states.length > 1 ? states.shift() : states[0]) : 'completed';
    seen.push(`${execute} ${status}`);
    const running = execute === 'query-status' ? { running: false } : {};
    qemu.send({ return: { status, ...running }, id });
  }
}

describe('a migration of which QEMU says that it is complete', () => {
  it.each([
    ['sent', (migration: OutgoingMigration) => migration.finish(soon())],
    ['found too late to cancel', (migration: OutgoingMigration) => migration.cancel(soon())],
  ])('is %s once QEMU has left the VM to others', async (_, end) => {
    await using qemu = await ScriptedQmp.create();
    const [client] = await Promise.all([QmpClient.connect(qemu.path, soon()), qemu.negotiate()]);
    const seen: string[] = [];
    void answer(qemu, ['finish-migrate', 'finish-migrate', 'postmigrate'], seen);
    const migration = await OutgoingMigration.adopt(client, () => undefined, soon());
    await end(migration as OutgoingMigration);
    expect(seen.at(-1)).toBe('query-status postmigrate');
    await client.disconnect();
  });
});
