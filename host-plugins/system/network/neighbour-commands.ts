/** A command of ip(8): what this host knew of a guest as a neighbour on the LAN is no longer true. */
export function forgetCommand(address: string, lan: string): string[] {
  return ['neigh', 'flush', 'to', address, 'dev', lan];
}
