import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { OwnPlace } from './responder.ts';

/** Interfaces of guests: what runs there is none of the LAN's devices. */
const ofGuests = /^wd-/;

/** Where this device can be found now; `listening`: the address that it listens on, `::` or `0.0.0.0` for all. */
export async function readOwnPlaces(listening: string, sysfs = '/sys'): Promise<OwnPlace[]> {
  const all = Object.entries(networkInterfaces()).filter(([name]) => !ofGuests.test(name));
  const places = all.map(async ([name, entries = []]): Promise<OwnPlace> => {
    const index = await readFile(`${sysfs}/class/net/${name}/ifindex`, 'utf8').catch(() => '0');
    const addresses = entries.filter((entry) => !entry.internal && answersAt(listening, entry));
    return {
      interfaceName: name,
      interfaceIndex: Number(index),
      addresses: addresses.map(({ address }) => address),
      subnets: addresses.flatMap(({ cidr }) => cidr ?? []),
    };
  });
  const found = await Promise.all(places);
  return found.filter((place) => place.interfaceIndex > 0 && place.addresses.length > 0);
}

function answersAt(listening: string, { address, family }: { address: string; family: string }): boolean {
  if (listening === '::') return true;
  return listening === '0.0.0.0' ? family === 'IPv4' : address === listening;
}
