import { z } from 'zod';

/** Detail of the refusal (`untrusted`) of a dock to a kiosk whose risk nobody has accepted yet: the words. */
export const KioskRiskDetail = z.object({ kioskRisk: z.string() });

/** What no program can protect a VM from on a computer that its user does not trust, in plain words. */
export function kioskRiskWords(kiosk: string, workspace: string): string {
  return [
    `"${kiosk}" is a kiosk: you use it and do not trust it. While "${workspace}" runs there, whoever is root on it`,
    '- can read all of its memory: what you type and see, open documents, passwords, the keys of encrypted disks;',
    '- can change what it does, and read and change its disk, which it reaches at home;',
    '- can keep what it has read. Nobody can see that afterwards, or undo it.',
    'A wdockd that nobody has tampered with keeps nothing there: no disk, no memory, no swap, no log of the guest.',
  ].join('\n');
}
