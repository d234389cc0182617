/** The lab's LAN. The same in every run: each run has it in namespaces of its own. */
export const lanPrefixLength = 24;

export const labAddresses = {
  router: '10.77.0.1',
  mid: '10.77.0.11',
  pc: '10.77.0.12',
  client: '10.77.0.21',
  /** What DHCP gives the workspace, wherever it runs. */
  workspace: '10.77.0.50',
} as const;

/** What DHCP gives to anybody else. */
export const leaseRange = { first: '10.77.0.100', last: '10.77.0.199' } as const;

/** Fixed, or a bridge would take the lowest address of its ports, and change it when a guest's tap joins. */
export const labMacs = {
  router: '52:54:00:77:00:01',
  mid: '52:54:00:77:00:11',
  pc: '52:54:00:77:00:12',
  client: '52:54:00:77:00:21',
} as const;

/** The workspace's network card, unless a run says otherwise. */
export const labWorkspaceMac = '52:54:00:77:00:50';
