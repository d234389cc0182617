import { buildAgentPackage } from '../../packaging/agent/build.ts';
import { cacheFolder } from './cache/cache-folder.ts';
import type { Progress } from './cache/cached-build.ts';
import {
  type EmulatorChoice,
  type LabEmulator,
  newestEmulator,
  ownEmulator,
} from './emulator/lab-emulator.ts';
import { provideBaseTree } from './image/base-tree.ts';
import { type GuestImage, provideDiskImage } from './image/disk-image.ts';
import { provideSettledState, type SettledState } from './state/settled-state.ts';

export interface LabGuest {
  image: GuestImage;
  settled: SettledState;
}

/**
 * The lab's guest, ready to be started from its settled state. From a filled cache in well under a second; from an
 * empty one in about three minutes without KVM.
 * @param agentPackage path of the agent's .deb; without it the guest has no agent
 */
export async function provideLabGuest(
  agentPackage: string | undefined,
  progress: Progress,
  signal: AbortSignal,
  choice: EmulatorChoice = 'own',
): Promise<LabGuest> {
  const image = await provideLabImage(agentPackage, progress, signal);
  const emulator = await provideEmulator(choice, progress, signal);
  return { image, settled: await provideSettledState(cacheFolder(), image, emulator, progress, signal) };
}

/** The image with the present agent in it, and the emulator: all that needs the network. */
export async function provideImageWithAgent(
  progress: Progress,
  signal: AbortSignal,
  choice: EmulatorChoice = 'own',
): Promise<GuestImage> {
  const { path } = await buildAgentPackage();
  await provideEmulator(choice, progress, signal);
  return await provideLabImage(path, progress, signal);
}

/** Only the bootable image, for what boots it itself. */
export async function provideLabImage(
  agentPackage: string | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<GuestImage> {
  const baseTree = await provideBaseTree(cacheFolder(), progress, signal);
  return provideDiskImage(cacheFolder(), baseTree, agentPackage, progress, signal);
}

function provideEmulator(
  choice: EmulatorChoice,
  progress: Progress,
  signal: AbortSignal,
): Promise<LabEmulator> {
  return choice === 'own' ? ownEmulator(signal) : newestEmulator(cacheFolder(), progress, signal);
}
