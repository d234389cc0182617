/** What the lab's guest can be busy with, besides the verifying load, which always runs. */
export const guestLoads = ['idle', 'page-cache', 'browser', 'video', 'build'] as const;
export type GuestLoad = (typeof guestLoads)[number];

/** Where the loads write files. */
export const loadFolder = process.env['LAB_LOAD_FOLDER'] ?? '/var/tmp';

/** How many times as fast as by itself a load works; may change while it does. */
export interface Pace {
  speed: number;
}

/** What a load has done so far: one line of JSON, and in each report of the verifying load. */
export interface LoadState {
  readonly load: GuestLoad;
  /** So many times as fast as it would be by itself, where the processor keeps up. */
  readonly speed: number;
  /** Files read, pages of the browser shown, frames drawn or units built. */
  readonly done: number;
  /** There is no more to do. */
  readonly finished: boolean;
}
