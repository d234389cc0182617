import { closedPort } from './network-fixture.ts';

/** Ports of ordinary services, of wdockd, and of mDNS, SSDP, WS-Discovery, LLMNR and NetBIOS. */
export const tcpPorts = [22, 53, 80, 111, 445, 5355, closedPort, 8080, 65_535];
export const udpPorts = [53, 67, 111, 137, 138, 500, 1900, 3702, 5353, 5355, closedPort, 65_535];

/** Where services are looked for by calling to all. */
export const multicastPorts = [137, 1900, 3702, 5353, 5355];
export const groups = [
  '224.0.0.251',
  '239.255.255.250',
  '224.0.0.252',
  'ff02::fb',
  'ff02::c',
  'ff02::1:3',
  'ff02::1',
];
export const broadcasts = ['255.255.255.255', '10.77.0.255'];
