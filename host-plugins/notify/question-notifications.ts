import { DockError } from '../../protocol/dock-error.ts';
import { deviceShape, workspaceShape } from '../host-bus/host-shapes.ts';
import { workspacePath } from '../host-bus/object-path.ts';
import type { HostProperties, HostWatch } from './host-watch.ts';
import { KeptNotification, type Screen } from './kept-notification.ts';
import { type AskedQuestion, showQuestion, showUnanswered, yesKey } from './show-question.ts';

interface ShownQuestion {
  readonly path: string;
  readonly device: string;
  readonly question: AskedQuestion;
  readonly notification: KeptNotification;
}

/** Properties of org.wirelessdock.Host1.Device, as far as they are shown. */
interface DeviceProperties {
  readonly Name: string;
  readonly Simulated: boolean;
  readonly Questions: readonly AskedQuestion[];
}

/** Each question of a trigger as one notification with buttons to answer it, for as long as it can be answered. */
export class QuestionNotifications {
  readonly #screen: Screen;
  /** By device and question: the same one that is asked again is another one. */
  readonly #questions = new Map<string, ShownQuestion>();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** @param found properties of the device, as in HostWatch */
  hear(path: string, found: HostProperties | undefined, watch: HostWatch): void {
    const device = found as unknown as DeviceProperties | undefined;
    const asked = new Map(
      (device?.Questions ?? []).map((question) => [JSON.stringify([path, question]), question] as const),
    );
    for (const [key, shown] of this.#questions) {
      if (shown.path !== path || asked.has(key)) continue;
      this.#questions.delete(key);
      shown.notification.takeAway();
    }
    if (device === undefined) return;
    for (const [key, question] of asked) {
      if (this.#questions.has(key)) continue;
      const notification = new KeptNotification(this.#screen);
      this.#questions.set(key, { path, device: device.Name, question, notification });
      const [workspace, , , until] = question;
      const home = watch.read(workspacePath(workspace), workspaceShape.name)?.['Home'];
      notification.show(
        showQuestion(question, {
          device: device.Name,
          simulated: device.Simulated,
          visitor: home === device.Name,
          until: new Date(until).toLocaleTimeString(),
        }),
      );
    }
  }

  pressed(id: number, key: string, watch: HostWatch): void {
    const asked = this.#find(id);
    if (asked !== undefined) void this.#answer(asked, key === yesKey, watch);
  }

  /** To put it away is no answer; that one is not shown again. */
  dismissed(id: number): void {
    this.#find(id)?.notification.wasPutAway();
  }

  async #answer(asked: ShownQuestion, yes: boolean, watch: HostWatch): Promise<void> {
    const { path, device, question } = asked;
    const { signal } = this.#screen;
    const [workspace, trip] = question;
    try {
      const target = { path, interface: deviceShape.name, member: 'Answer' };
      await watch.call(target, signal, 'ssb', [workspace, trip, yes]);
    } catch (error) {
      // Who pressed a button is told that nothing comes of it.
      const why = DockError.from(error).message;
      if (!signal.aborted) new KeptNotification(this.#screen).show(showUnanswered(question, device, why));
    }
  }

  #find(id: number): ShownQuestion | undefined {
    return [...this.#questions.values()].find(({ notification }) => notification.is(id));
  }
}
