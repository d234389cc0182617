import type { InterfaceShape } from '../system/dbus/dbus-interface.ts';
import { hostBusName } from './object-path.ts';

/**
 * What org.wirelessdock.Host1 has (docs/dbus-api.md; the files in /usr/share/dbus-1/interfaces are made from this). Text
 * and numbers that are not known are empty and 0, objects that are not there `/`.
 */
export const managerShape = {
  name: hostBusName,
  methods: {
    OfferPairing: {
      in: [
        ['name', 's'],
        ['trust', 's'],
      ],
      out: [
        ['code', 's'],
        ['expiresInMs', 'u'],
        ['addresses', 'as'],
      ],
    },
    CancelPairing: { in: [], out: [] },
    JoinPairing: {
      in: [
        ['name', 's'],
        ['address', 's'],
        ['code', 's'],
        ['trust', 's'],
      ],
      out: [['device', 'o']],
    },
  },
  properties: {
    Version: { signature: 's' },
    DeviceName: { signature: 's' },
    DeviceClass: { signature: 's' },
    Fingerprint: { signature: 's' },
    /** It only plays this device. */
    Simulated: { signature: 'b' },
  },
  signals: {
    /** The end of what OfferPairing began; `device` is `/` and `error` says why where it was not paired. */
    PairingEnded: [
      ['device', 'o'],
      ['error', 's'],
      ['message', 's'],
    ],
  },
} as const satisfies InterfaceShape;

export const deviceShape = {
  name: `${hostBusName}.Device`,
  methods: {
    SetTrust: { in: [['trust', 's']], out: [] },
    Forget: { in: [], out: [] },
    Answer: {
      in: [
        ['workspace', 's'],
        ['trip', 's'],
        ['yes', 'b'],
      ],
      out: [],
    },
  },
  properties: {
    Name: { signature: 's' },
    /** `mid`, `laptop`, `desktop` or `kiosk`; empty until it has once been asked. */
    Class: { signature: 's' },
    Fingerprint: { signature: 's' },
    Address: { signature: 's' },
    Trust: { signature: 's' },
    /** There is a connection to it, or it answered when it was last asked. */
    Reachable: { signature: 'b' },
    Simulated: { signature: 'b' },
    /** `away`, `seen`, `near` or `docked`; empty where nothing can tell. */
    Nearness: { signature: 's' },
    NearnessReason: { signature: 's' },
    /** What the triggers would do next, or what stands against it. */
    Next: { signature: 's' },
    /** Of triggers: workspace, trip (`dock` or `undock`), reason, and until when Answer is taken, ms since 1970. */
    Questions: { signature: 'a(ssst)' },
  },
  signals: {},
} as const satisfies InterfaceShape;

export const workspaceShape = {
  name: `${hostBusName}.Workspace`,
  methods: {
    Dock: { in: [['target', 's']], out: [['trip', 'o']] },
    Undock: { in: [], out: [['trip', 'o']] },
    Cancel: { in: [], out: [] },
    Start: { in: [], out: [] },
    Stop: { in: [['force', 'b']], out: [] },
    ForceOwner: { in: [['iKnowTheOtherCopyIsGone', 'b']], out: [] },
  },
  properties: {
    Name: { signature: 's' },
    /** `here`, `stopped`, `away`, `moving` or `stuck`, as in protocol/control-methods.ts. */
    State: { signature: 's' },
    Home: { signature: 's' },
    RunsOn: { signature: 's' },
    Epoch: { signature: 't' },
    Detail: { signature: 's' },
    /** The trip that moves it now. */
    Trip: { signature: 'o' },
    /** Read in the guest. */
    Vcpus: { signature: 'u' },
    MemoryBytes: { signature: 't' },
  },
  signals: {},
} as const satisfies InterfaceShape;

export const tripShape = {
  name: `${hostBusName}.Trip`,
  methods: { Cancel: { in: [], out: [] } },
  properties: {
    /** `dock` or `undock` */
    Kind: { signature: 's' },
    Workspace: { signature: 'o' },
    WorkspaceName: { signature: 's' },
    From: { signature: 's' },
    To: { signature: 's' },
    Simulated: { signature: 'b' },
    /** `running`, `done`, `failed` or `cancelled` */
    State: { signature: 's' },
    /** ms since 1970 */
    StartedAt: { signature: 't' },
    Stage: { signature: 's' },
    /** Of the stage, 0 to 1; -1 where it is not known. */
    StageFraction: { signature: 'd' },
    /** Of the whole trip, 0 to 100. */
    Percent: { signature: 'u' },
    Text: { signature: 's' },
    /** `org.wirelessdock.Error.…` where it failed or was cancelled. */
    ErrorName: { signature: 's' },
    ErrorMessage: { signature: 's' },
    /** Where the virtual machine runs, after a trip that failed. */
    RunsOn: { signature: 's' },
    /** Of a trip that is done: ms, ms, bytes, and resource, requested, actual, reason of what is not as asked. */
    TotalMs: { signature: 't' },
    DowntimeMs: { signature: 't' },
    SentBytes: { signature: 't' },
    Shortfalls: { signature: 'a(ssss)' },
  },
  signals: {
    Ended: [
      ['state', 's'],
      ['error', 's'],
      ['message', 's'],
    ],
  },
} as const satisfies InterfaceShape;
