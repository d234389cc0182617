import type { DisplayMode } from '../decide/choose-display.ts';
import type { CompositorDisplay } from './compositor.ts';

/** What of org.gnome.Mutter.DisplayConfig.GetCurrentState is used (Mutter 43 to 48). */
export interface MutterState {
  /** Goes up with each change; a configuration made for an older one is refused. */
  readonly serial: number;
  readonly monitors: readonly MutterMonitor[];
  /** Absent while no monitor is in use. */
  readonly display: CompositorDisplay | undefined;
}

export interface MutterMonitor {
  readonly connector: string;
  readonly modes: readonly DisplayMode[];
}

type Wire = readonly [
  serial: number,
  monitors: readonly (readonly [
    spec: readonly [connector: string, vendor: string, product: string, serial: string],
    modes: readonly (readonly [
      id: string,
      width: number,
      height: number,
      refresh: number,
      preferredScale: number,
      scales: readonly number[],
      properties: Readonly<Record<string, unknown>>,
    ])[],
    properties: unknown,
  ])[],
  logical: readonly (readonly [
    x: number,
    y: number,
    scale: number,
    transform: number,
    primary: boolean,
    monitors: readonly (readonly [connector: string, vendor: string, product: string, serial: string])[],
    properties: unknown,
  ])[],
  properties: unknown,
];

/** @param body of the answer, opened (`plainDbusValue`); its signature is fixed by the interface. */
export function parseMutterState(body: unknown): MutterState {
  const [serial, monitors, logical] = body as Wire;
  const current = logical.find((one) => one[4]) ?? logical[0];
  const connector = current?.[5][0]?.[0];
  const monitor = monitors.find(([[name]]) => name === connector);
  const mode = monitor?.[1].find((one) => one[6]['is-current'] === true);
  return {
    serial,
    monitors: monitors.map(([[name], modes]) => ({
      connector: name,
      modes: modes.map(([id, widthPx, heightPx, refreshHz, , scales]) => ({
        id,
        widthPx,
        heightPx,
        refreshHz,
        scales,
      })),
    })),
    display:
      current === undefined || connector === undefined || mode === undefined
        ? undefined
        : { connector, widthPx: mode[1], heightPx: mode[2], scale: current[2] },
  };
}
