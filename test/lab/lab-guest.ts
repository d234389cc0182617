import { buildAgentPackage } from '../../packaging/agent/build.ts';
import { cacheFolder } from './cache/cache-folder.ts';
import type { Progress } from './cache/cached-build.ts';
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
): Promise<LabGuest> {
  const image = await provideLabImage(agentPackage, progress, signal);
  return { image, settled: await provideSettledState(cacheFolder(), image, progress, signal) };
}

/** The image with the present agent in it: the only part of the guest that needs the network. */
export async function provideImageWithAgent(progress: Progress, signal: AbortSignal): Promise<GuestImage> {
  const { path } = await buildAgentPackage();
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
