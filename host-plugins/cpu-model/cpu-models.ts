import type { Logger } from 'pino';
import { z } from 'zod';
import { type CpuCapability, CpuModelName } from '../../protocol/cpu-capability.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CpuModelChoice, Docking } from '../../protocol/docking.ts';
import type { Qmp } from '../contract/virtual-machine.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { TrustedDevice, TrustStore } from '../pairing/trust-store.ts';
import { parseReply } from '../qemu/qmp-schema.ts';
import { type CpuOffer, gives, missingOf } from './choose-model.ts';
import { choiceOf, dockingOf } from './docking-words.ts';
import { type CpuShape, judgeShape } from './judge-move.ts';
import { ladderModels, modelWords } from './ladder.ts';
import type { OwnCpu } from './own-cpu.ts';
import type { ToldCpus } from './told-cpus.ts';

export interface CpuModelsParts {
  readonly deviceName: string;
  readonly own: Pick<OwnCpu, 'capability'>;
  readonly told: ToldCpus;
  readonly trust: TrustStore;
  readonly peers: Peers;
  readonly log: Logger;
  /** Models of the workspaces that there are. */
  readonly modelsInUse: () => readonly string[];
}

/** How long another device may take to say what its CPU can, ms; it may have to start QEMU for it. */
const askLimitMs = 5_000;
/** For so long a device that is lost is waited for before a move, ms. */
const movePatienceMs = 5_000;
/** A device that is not reached at once is off, ms. */
const whileMakingMs = 2_500;

/** The word for the newest model that all trusted devices have. */
const common = 'common';

const KvmInfo = z.object({ enabled: z.boolean() });

/** What this device and the trusted ones can give a guest as CPU, and what follows for the workspaces. */
export class CpuModels {
  readonly #parts: CpuModelsParts;
  /** Devices that have told since this wdockd started. */
  readonly #fresh = new Set<string>();

  constructor(parts: CpuModelsParts) {
    this.#parts = parts;
  }

  /** From now on it asks each device that comes, once, and QEMU here, beside everything else. */
  begin(): void {
    const { trust, told, peers, log } = this.#parts;
    trust.on('forgotten', ({ id }) => {
      this.#fresh.delete(id);
      told.forget(id).catch((error: unknown) => log.warn({ err: error }, 'what a device told is kept'));
    });
    peers.on('reachable', (device) => {
      if (!this.#fresh.has(device.id)) void this.#tryLearn(device, askLimitMs);
    });
    this.answer([], new AbortController().signal).catch((error: unknown) => {
      log.warn({ err: error }, 'QEMU does not say what CPU it can give a guest');
    });
  }

  /** For another device. Throws what QEMU's answer lacks. */
  async answer(models: readonly string[], signal: AbortSignal): Promise<CpuCapability> {
    return await this.#parts.own.capability(models, signal);
  }

  /**
   * What a device is to the workspaces that there are, and what new ones get, right after it was paired. The other one
   * may trust this one a moment later than it is asked: then it connects itself, and is asked again.
   */
  async meet(
    device: TrustedDevice,
    shapes: readonly CpuShape[],
  ): Promise<{ cpuModel: CpuModelChoice; docking: Docking[] }> {
    const { peers } = this.#parts;
    const limit = AbortSignal.timeout(askLimitMs);
    const came = Promise.withResolvers<void>();
    const onReachable = ({ id }: TrustedDevice): void => {
      if (id === device.id) came.resolve();
    };
    peers.on('reachable', onReachable);
    limit.addEventListener('abort', () => came.resolve(), { once: true });
    try {
      if (!(await this.#tryLearn(device, askLimitMs))) {
        if (!peers.isConnected(device.id)) await came.promise;
        if (!limit.aborted) await this.#tryLearn(device, askLimitMs);
      }
    } finally {
      peers.off('reachable', onReachable);
    }
    const signal = AbortSignal.timeout(askLimitMs);
    return { cpuModel: await this.common(signal), docking: await this.dockings(shapes, [device], signal) };
  }

  /** Of each workspace with each device, as far as the devices have told. Throws where QEMU here does not answer. */
  async dockings(
    shapes: readonly CpuShape[],
    devices: readonly TrustedDevice[],
    signal: AbortSignal,
  ): Promise<Docking[]> {
    const self = await this.#self(signal);
    const others = await this.#othersToFit();
    const ends = await Promise.all(devices.map(async (device) => await this.#offerOf(device)));
    return shapes.flatMap((shape) => ends.map((end) => dockingOf(shape, self, end, others)));
  }

  /**
   * The model that a user wants, `common` where nothing is said. Throws `usage` for a name that is none or cannot move,
   * `does-not-fit` for a model that this device does not have, `missing-dependency` where it has none at all.
   */
  async choose(wish: string | undefined, signal: AbortSignal): Promise<CpuModelChoice> {
    if (wish === undefined || wish === common) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(whileMakingMs)]);
      const { trust } = this.#parts;
      await Promise.all(
        trust.list().map(async (device) => await this.#tryLearn(device, whileMakingMs, limit)),
      );
      signal.throwIfAborted();
      return await this.common(signal);
    }
    const name = CpuModelName.safeParse(wish);
    if (!name.success) {
      throw new DockError(
        'usage',
        `"${wish.slice(0, 60)}" is no model that a running VM can keep on another device; write one with its version, such as Haswell-v4, or ${common}`,
      );
    }
    const self = await this.#self(signal, [name.data]);
    if (gives(self.capability, name.data)) {
      return { model: name.data, detail: `CPU model ${modelWords(name.data)}, as asked for` };
    }
    const missing = missingOf(self.capability, name.data);
    const why = missing === undefined ? 'its QEMU does not have it' : `it lacks ${missing.join(', ')}`;
    throw new DockError('does-not-fit', `this device cannot give a guest the CPU model ${name.data}: ${why}`);
  }

  /** Throws `does-not-fit` where a machine of this shape cannot run on this device. */
  async requireHere(shape: CpuShape, signal: AbortSignal): Promise<void> {
    const obstacle = judgeShape(shape, await this.#self(signal, [shape.cpuModel]));
    if (obstacle === undefined) return;
    const { why, remedy } = obstacle;
    throw refusal(`"${shape.name}" cannot run on "${this.#parts.deviceName}": ${why}`, shape, remedy);
  }

  /** Throws `does-not-fit` where the workspace that runs here cannot go on running on the device. */
  async requireMove(shape: CpuShape, qmp: Qmp, deviceId: string, signal: AbortSignal): Promise<void> {
    const { trust, log } = this.#parts;
    const device = trust.find(deviceId);
    const [told, kvm] = await Promise.all([
      this.#learn(device, [shape.cpuModel], signal, { patienceMs: movePatienceMs }).catch(
        (error: unknown) => {
          // An older wdockd does not know the question. QEMU there refuses what it cannot do, if late.
          if (DockError.from(error).kind !== 'protocol') throw error;
          log.warn({ device: device.name, err: error }, 'it cannot be asked what its CPU can');
          return undefined;
        },
      ),
      qmp.execute('query-kvm', {}, signal),
    ]);
    if (told === undefined) return;
    const { enabled } = parseReply(KvmInfo, 'query-kvm', kvm);
    const self = await this.#self(signal, [shape.cpuModel]);
    const running: CpuOffer = {
      ...self,
      capability: { ...self.capability, accelerator: enabled ? 'kvm' : 'tcg' },
    };
    const to = await this.#offerOf(device); // with all that it has ever told: a new model is looked for, too
    const { can, detail, remedy } = dockingOf(shape, running, to, await this.#othersToFit());
    if (can === 'yes') return;
    throw refusal(detail, shape, remedy);
  }

  /** What new workspaces get, as far as the devices have told. Throws as `choose`. */
  async common(signal: AbortSignal): Promise<CpuModelChoice> {
    return choiceOf(await this.#self(signal), await this.#othersToFit());
  }

  async #self(signal: AbortSignal, models: readonly string[] = this.#models()): Promise<CpuOffer> {
    const { own, deviceName } = this.#parts;
    return { device: deviceName, capability: await own.capability([...ladderModels, ...models], signal) };
  }

  #models(): string[] {
    return [...new Set([...ladderModels, ...this.#parts.modelsInUse()])];
  }

  /** A kiosk is no reason for a workspace to be less everywhere else. */
  async #othersToFit(): Promise<CpuOffer[]> {
    const devices = this.#parts.trust.list().filter(({ trust }) => trust !== 'kiosk');
    const offers = await Promise.all(devices.map(async (device) => await this.#offerOf(device)));
    return offers.filter((offer) => 'capability' in offer);
  }

  async #offerOf({ id, name }: TrustedDevice): Promise<CpuOffer | { readonly device: string }> {
    const capability = await this.#parts.told.of(id);
    return capability === undefined ? { device: name } : { device: name, capability };
  }

  async #learn(
    device: TrustedDevice,
    models: readonly string[],
    signal: AbortSignal,
    patience: { readonly patienceMs?: number } = {},
  ): Promise<CpuCapability> {
    const { peers, told } = this.#parts;
    const asked = models.filter((model) => CpuModelName.safeParse(model).success);
    const options = { signal, ...patience };
    const capability = await peers.call(device.id, 'cpu-capability', { models: asked }, options);
    await told.tell(device.id, capability);
    return capability;
  }

  /** Whether it told. */
  async #tryLearn(device: TrustedDevice, limitMs: number, signal?: AbortSignal): Promise<boolean> {
    const limits = [AbortSignal.timeout(limitMs), ...(signal === undefined ? [] : [signal])];
    try {
      await this.#learn(device, this.#models(), AbortSignal.any(limits));
      this.#fresh.add(device.id);
      return true;
    } catch (error) {
      const { kind, message } = DockError.from(error);
      this.#parts.log.debug({ device: device.name, kind, why: message }, 'it did not tell what its CPU can');
      return false;
    }
  }
}

function refusal(message: string, { cpuModel }: CpuShape, remedy: string | undefined): DockError {
  return new DockError('does-not-fit', remedy === undefined ? message : `${message}; ${remedy}`, {
    detail: { cpuModel, ...(remedy === undefined ? {} : { remedy }) },
  });
}
