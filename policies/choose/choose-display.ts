import { DisplayAllocation } from '../../protocol/allocation.ts';
import type { Decision } from '../../protocol/control-methods.ts';
import type { DisplayFacts, HostProfile } from '../../protocol/host-profile.ts';
import { comfortableScale } from './comfortable-scale.ts';
import { hostRule } from './narrow.ts';
import type { Settings } from './settings.ts';

/** Undefined display: the guest keeps the mode that it has. */
export function chooseDisplay(
  { use, scale }: Settings['display'],
  { displays }: HostProfile,
): { display: DisplayAllocation | undefined; decisions: Decision[] } {
  const decide = (what: string, value: string, rule: string, because: string): Decision => ({
    what: `display.${what}`,
    value,
    rule,
    because,
  });
  if (use.value === 'none') {
    return {
      display: undefined,
      decisions: [decide('mode', 'unchanged', use.rule, 'no display of the host is used')],
    };
  }
  const decisions: Decision[] = [];
  const showable = displays.filter((display) => {
    const fits = DisplayAllocation.safeParse({ ...sizeOf(display), scale: 1 }).success;
    if (!fits) {
      const size = `${display.widthPx}x${display.heightPx}`;
      decisions.push(decide('mode', `not ${display.name}`, hostRule, `${size} is too small for a guest`));
    }
    return fits;
  });
  const wanted = showable.filter(
    (display) => use.value === 'largest' || display.internal === (use.value === 'internal'),
  );
  const pool = wanted.length > 0 ? wanted : showable;
  const chosen = largest(pool);
  if (chosen === undefined) {
    decisions.push(decide('mode', 'unchanged', hostRule, 'it has no display'));
    return { display: undefined, decisions };
  }

  const mode = `${chosen.widthPx}x${chosen.heightPx}`;
  const kind = use.value === 'largest' ? '' : `${use.value} `;
  if (pool !== wanted) {
    const because = `no ${use.value} display is connected; ${chosen.name} is the best of the others`;
    decisions.push(decide('mode', mode, use.rule, because));
  } else {
    const because =
      pool.length === 1
        ? `${chosen.name} is the only ${kind}display`
        : `${chosen.name} is the largest ${kind}display of ${pool.length}`;
    decisions.push(decide('mode', mode, use.rule, because));
  }
  const chosenScale =
    scale.value === 'auto' ? comfortableScale(chosen) : { scale: scale.value, because: 'as written' };
  decisions.push(decide('scale', String(chosenScale.scale), scale.rule, chosenScale.because));
  return { display: { ...sizeOf(chosen), scale: chosenScale.scale }, decisions };
}

const sizeOf = ({ widthPx, heightPx, widthMm, heightMm }: DisplayFacts) => ({
  widthPx,
  heightPx,
  widthMm,
  heightMm,
});

/** By area to look at; a display that does not tell its size is taken for one of 96 dots per inch. Then by pixels. */
function largest(displays: readonly DisplayFacts[]): DisplayFacts | undefined {
  const mm = (length: number, pixels: number) => (length > 0 ? length : (pixels / 96) * 25.4);
  const area = (one: DisplayFacts) => mm(one.widthMm, one.widthPx) * mm(one.heightMm, one.heightPx);
  const pixels = (one: DisplayFacts) => one.widthPx * one.heightPx;
  return [...displays].sort((a, b) => area(b) - area(a) || pixels(b) - pixels(a))[0];
}
