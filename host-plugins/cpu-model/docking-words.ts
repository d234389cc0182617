import type { CpuModelChoice, Docking } from '../../protocol/docking.ts';
import { type CpuOffer, chooseCpuModel } from './choose-model.ts';
import { type CpuShape, judgeMove, remedyByModel } from './judge-move.ts';
import { modelWords } from './ladder.ts';

/**
 * Whether the workspace can dock to a device, as its user is told.
 * @param to without an offer: it has not told
 * @param others all devices that a new model has to fit
 */
export function dockingOf(
  shape: CpuShape,
  self: CpuOffer,
  to: CpuOffer | { readonly device: string },
  others: readonly CpuOffer[],
): Docking {
  const { name: workspace } = shape;
  const { device } = to;
  if (!('capability' in to)) {
    return {
      workspace,
      device,
      can: 'unknown',
      detail: `whether ${workspace} can dock to ${device} is not known: that device has not told yet what its CPU can`,
    };
  }
  const obstacle = judgeMove(shape, self, to);
  if (obstacle === undefined)
    return { workspace, device, can: 'yes', detail: `${workspace} can dock to ${device}` };
  const remedy = remedyByModel(shape, self, to, others) ?? obstacle.remedy;
  return {
    workspace,
    device,
    can: 'no',
    detail: `${workspace} cannot dock to ${device} while it runs: ${obstacle.why}`,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

/** What a workspace gets that is made now, and why. */
export function choiceOf(self: CpuOffer, others: readonly CpuOffer[]): CpuModelChoice {
  const { model, leftOut } = chooseCpuModel(self, others);
  const without = new Set(leftOut.map(({ device }) => device));
  const [last, ...rest] = [self, ...others]
    .map(({ device }) => device)
    .filter((device) => !without.has(device))
    .reverse();
  const which = self.capability.accelerator === 'tcg' ? 'the one that emulation does well' : 'the newest';
  const owners =
    rest.length === 0 ? `that ${last} has` : `that ${rest.reverse().join(', ')} and ${last} have`;
  const lacking = leftOut.length === 0 ? '' : `; it cannot run on ${[...without].join(', ')}`;
  return { model, detail: `CPU model ${modelWords(model)}, ${which} ${owners}${lacking}` };
}
