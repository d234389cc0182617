import type { InterfaceShape } from './dbus-interface.ts';

export const agentBusName = 'org.wirelessdock.Agent1';
export const agentPath = '/org/wirelessdock/Agent1';
export const sessionPath = '/org/wirelessdock/Session1';

/**
 * What applications get on the system bus (docs in the interface file that is installed from this). HostName and
 * HostClass are empty until a host has said who it is. A holder of `Inhibit` is heard before a move, which waits
 * for it a bounded time; `Uninhibit`, or leaving the bus, lets the move go on.
 */
export const agentShape = {
  name: agentBusName,
  methods: {
    Inhibit: {
      in: [
        ['who', 's'],
        ['why', 's'],
      ],
      out: [['cookie', 'u']],
    },
    Uninhibit: { in: [['cookie', 'u']], out: [] },
    /** For the agent's helper in a user's session. */
    RegisterSession: { in: [], out: [] },
    /** All that the agent sees, as JSON (protocol/guest-state.ts). */
    GetState: { in: [], out: [['json', 's']] },
  },
  properties: {
    Version: { signature: 's' },
    HostName: { signature: 's' },
    HostClass: { signature: 's' },
    /** The host only pretends to be such a device. */
    Simulated: { signature: 'b' },
    Epoch: { signature: 't' },
    /**
     * What the host says of its way to the Internet: `full`, `portal` (someone has to log in before anything
     * answers, which is done on the host), or `unknown` while it has said nothing.
     */
    HostConnectivity: { signature: 's' },
    /** Between PreparingForMove(true) and PreparingForMove(false). */
    Moving: { signature: 'b' },
    Vcpus: { signature: 'u' },
    /** The guest is on a host that its user does not trust, or about to go there. */
    Guarded: { signature: 'b' },
    /** Who holds inhibitors now. */
    Inhibitors: { signature: 'as' },
  },
  signals: {
    PreparingForMove: [
      ['active', 'b'],
      ['targetName', 's'],
      ['targetClass', 's'],
    ],
    Moved: [
      ['hostName', 's'],
      ['hostClass', 's'],
    ],
  },
} as const satisfies InterfaceShape;

/** What the agent's helper in a user's session offers to the agent, and to nobody else (D-Bus policy). */
export const sessionShape = {
  name: 'org.wirelessdock.Session1',
  methods: {
    /** `connector` is empty where nothing drives a screen; `note` then says why. */
    GetDisplay: {
      in: [],
      out: [
        ['connector', 's'],
        ['widthPx', 'u'],
        ['heightPx', 'u'],
        ['scale', 'd'],
        ['note', 's'],
      ],
    },
    ApplyDisplay: {
      in: [
        ['widthPx', 'u'],
        ['heightPx', 'u'],
        ['widthMm', 'u'],
        ['heightMm', 'u'],
        ['scale', 'd'],
        ['limitMs', 'u'],
      ],
      out: [['problems', 'as']],
    },
    /** Locks every collection of the user's keyring (Secret Service). */
    LockSecrets: { in: [], out: [['problems', 'as']] },
    SetOnScreenKeyboard: { in: [['on', 'b']], out: [['problems', 'as']] },
  },
  properties: {},
  signals: {},
} as const satisfies InterfaceShape;
