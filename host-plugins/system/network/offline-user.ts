import { nft } from './ip-command.ts';

/**
 * Keeps all processes of a user off every network, this device's own loopback included; unix sockets and taps are none. For
 * QEMU, which needs neither: a guest that took it over reaches no more of the network than the guest does.
 */
export async function takeUserOffline(user: number, signal: AbortSignal): Promise<void> {
  await nft(buildOfflineRules(user), signal);
}

/** Undoes `takeUserOffline`. Nothing to do is no error. */
export async function letUserOnline(user: number, signal: AbortSignal): Promise<void> {
  await nft(buildOfflineRemoval(user), signal);
}

function buildOfflineRules(user: number): string {
  return [
    `${buildOfflineRemoval(user)}table inet ${tableName(user)} {`,
    '  chain output {',
    '    type filter hook output priority -150; policy accept;',
    `    meta skuid ${user} reject`,
    '  }',
    '}',
    '',
  ].join('\n');
}

function buildOfflineRemoval(user: number): string {
  const table = `inet ${tableName(user)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

const tableName = (user: number): string => `wdock_user_${user}`;
