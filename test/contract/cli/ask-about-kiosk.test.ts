import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import { kioskRiskWords } from '../../../protocol/kiosk-risk.ts';
import { docked } from '../../unit/cli/trip-outcome.ts';
import { controlSocket } from '../../unit/cli/wdock-fixture.ts';

const main = join(import.meta.dirname, '../../../host-plugins/cli/main.ts');
const words = kioskRiskWords('pc', 'work');

/** A wdockd that takes the VM to the kiosk when its user has accepted what that can do. */
function kiosk() {
  const asked: unknown[] = [];
  const daemon = controlSocket({
    dock: async ({ iKnowTheKioskCanReadIt }) => {
      asked.push(iKnowTheKioskCanReadIt);
      if (iKnowTheKioskCanReadIt === true) return docked;
      throw new DockError('untrusted', `${words}\nTo dock there all the same: …`, {
        detail: { kioskRisk: words },
      });
    },
  });
  return { asked, daemon };
}

/** wdock on a terminal of its own (script(1) makes it), with what is typed when it asks. */
async function onTerminal(socket: string, answer: string): Promise<{ exit: number | null; shown: string }> {
  const command = `${process.execPath} ${main} --socket ${socket} dock pc`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  let shown = '';
  let answered = false;
  child.stdout.on('data', (text: Buffer) => {
    shown += text.toString();
    if (answered || !shown.includes('all the same? (yes/no)')) return;
    answered = true;
    child.stdin.write(`${answer}\n`);
  });
  const [exit] = (await once(child, 'close')) as [number | null];
  return { exit, shown };
}

describe('wdock dock on a terminal, to a kiosk for the first time', () => {
  it.each(['', 'y', 'no'])('does nothing when "%s" is the answer', async (answer) => {
    const { asked, daemon } = kiosk();
    await using at = await daemon;
    const { exit, shown } = await onTerminal(at.path, answer);
    expect(exit).toBe(130);
    expect(shown).toContain('nothing was changed');
    expect(asked).toEqual([undefined]);
  });

  it('says what cannot be protected, and docks when the answer is yes', async () => {
    const { asked, daemon } = kiosk();
    await using at = await daemon;
    const { exit, shown } = await onTerminal(at.path, 'yes');
    expect(exit).toBe(0);
    for (const line of words.split('\n')) expect(shown).toContain(line);
    expect(shown).toContain('docked work: mid -> pc');
    expect(asked).toEqual([undefined, true]);
  });
});
