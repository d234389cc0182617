import { z } from 'zod';
import { DockError } from '../protocol/dock-error.ts';
import type { Lab } from '../test/lab/lab.ts';
import type { UsageReport } from '../test/lab/verify/process-usage.ts';
import { verifyPort } from '../test/lab/verify/report.ts';

/** What tells the agent's processes in the guest from all others; from packaging/agent/wdock-agent. */
const agentProgram = '/usr/lib/wireless-dock-agent/agent.cjs';

/** The two of them, by the argument after the program. */
export const agentRoles = ['system', 'session'] as const;

const Usage = z.strictObject({
  clockMs: z.number(),
  processes: z.array(
    z.strictObject({
      pid: z.int(),
      command: z.array(z.string()),
      anonymousKiB: z.int(),
      cpuMs: z.int(),
    }),
  ),
});

/**
 * The agent's service and its helper in the session, in this order, read in the guest by the load of the lab: the
 * agent itself has no part in it.
 * @throws DockError `agent-absent` where they do not run, `protocol` where the answer cannot be read
 */
export async function readAgentUsage(lab: Lab, signal: AbortSignal): Promise<UsageReport> {
  const address = `TCP:${lab.guestAddress}:${verifyPort},connect-timeout=10`;
  const text = await lab.network.client.run(
    ['socat', '-t', '20', '-', address],
    signal,
    `usage ${agentProgram}\n`,
  );
  const { clockMs, processes } = parseUsage(text);
  const ordered = agentRoles.map((role) => {
    const found = processes.filter(({ command }) => command[command.indexOf(agentProgram) + 1] === role);
    const [only] = found;
    if (only !== undefined && found.length === 1) return only;
    throw new DockError(
      'agent-absent',
      `the guest has ${found.length} processes "wdock-agent ${role}", not 1`,
    );
  });
  return { clockMs, processes: ordered };
}

function parseUsage(text: string): UsageReport {
  try {
    return Usage.parse(JSON.parse(text));
  } catch (cause) {
    const shown = text.slice(0, 200) || 'nothing';
    throw new DockError('protocol', `the load in the guest answered "usage" with ${shown}`, { cause });
  }
}
