import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { type SystemName, systemNames } from './figures.ts';
import type { FigureSpreads, TripSummary } from './summarize-trips.ts';

/**
 * What the paper measured ("Dynamic Migration of Computation through Virtualization of the Mobile Platform", 2009,
 * Figure 4): 512 MB guest, from starting the migration until the VM runs at the other end, s.
 */
const paper: Partial<Record<LinkShapeName, readonly (readonly [load: string, seconds: number])[]>> = {
  ethernet100: [
    ['terminal and browser', 20],
    ['video', 25],
    ['OpenGL collaboration', 25],
  ],
  wifi70: [
    ['terminal and browser', 110],
    ['video', 150],
    ['OpenGL collaboration', 130],
  ],
};

const colours: Readonly<Record<SystemName | 'paper', string>> = {
  paper: '#8c8c8c',
  stock: '#c44e52',
  'stock-best': '#dd8452',
  wdock: '#2f7f5f',
};
const barHeight = 13;
const labelWidth = 210;
const panelWidth = 330;
const gap = 90;
const width = labelWidth + 2 * panelWidth + 2 * gap;

interface Bar {
  readonly system: SystemName | 'paper';
  readonly seconds: number | undefined;
  readonly megabytes: number | undefined;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** The medians as bars, time on the left and bytes on the right, a section for each link, under those of the paper. */
export function drawTrips(summaries: readonly TripSummary[], caption: string): string {
  const parts: string[] = [];
  parts.push(text(12, 24, 'Moving a running VM of 512 MB', 'title'), text(12, 44, caption, 'small'));
  let y = 68;
  let x = labelWidth;
  for (const [name, colour] of Object.entries(colours)) {
    const shown = name === 'paper' ? 'paper, 2009' : name;
    parts.push(rect(x, y - 10, 12, 12, colour), text(x + 17, y, shown));
    x += 120;
  }
  for (const link of new Set(summaries.map((one) => one.link))) {
    const groups = groupsOf(link, summaries);
    const bars = groups.flatMap((group) => group.bars);
    const most = (read: (bar: Bar) => number | undefined) =>
      Math.max(...bars.map((bar) => read(bar) ?? 0), 1e-9);
    const longest = most(({ seconds }) => seconds);
    const largest = most(({ megabytes }) => megabytes);
    y += 40;
    parts.push(text(12, y, link, 'title'), text(labelWidth, y, 'seconds until the VM runs there', 'small'));
    parts.push(text(labelWidth + panelWidth + gap, y, 'MB on the wire', 'small'));
    y += 10;
    for (const { title, bars: own } of groups) {
      parts.push(text(12, y + 11, title));
      for (const { system, seconds, megabytes } of own) {
        parts.push(...bar(labelWidth, y, seconds, longest, colours[system]));
        parts.push(...bar(labelWidth + panelWidth + gap, y, megabytes, largest, colours[system]));
        y += barHeight + 2;
      }
      y += 9;
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 10}" width="${width}" height="${y + 10}">`,
    '<style>text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold; font-size: 14px } .small { font-size: 11px; fill: #555 }</style>',
    rect(0, 0, width, y + 10, '#ffffff'),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function groupsOf(link: LinkShapeName, summaries: readonly TripSummary[]): Group[] {
  const inPaper = (paper[link] ?? []).map(
    ([load, seconds]): Group => ({
      title: load,
      bars: [{ system: 'paper', seconds, megabytes: undefined }],
    }),
  );
  const measured = summaries
    .filter((one) => one.link === link)
    .map(({ load, trip, workMinutes, systems }): Group => {
      const work = workMinutes === null ? '' : ` after ${workMinutes} min`;
      const bars = systemNames.flatMap((system) => {
        const figures = systems[system];
        return figures === undefined ? [] : [toBar(system, figures)];
      });
      return { title: `${load}, ${trip}${work}`, bars };
    });
  return [...inPaper, ...measured];
}

function toBar(system: SystemName, { totalMs, wireBytes }: FigureSpreads): Bar {
  return {
    system,
    seconds: totalMs && totalMs.median / 1000,
    megabytes: wireBytes && wireBytes.median / 1e6,
  };
}

function bar(x: number, y: number, value: number | undefined, most: number, colour: string): string[] {
  if (value === undefined) return [];
  const length = Math.max(1, (value / most) * panelWidth);
  const shown = value >= 10 ? value.toFixed(0) : value.toFixed(1);
  return [rect(x, y, length, barHeight, colour), text(x + length + 5, y + barHeight - 2, shown, 'small')];
}

function rect(x: number, y: number, w: number, h: number, colour: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" fill="${colour}"/>`;
}

function text(x: number, y: number, content: string, kind?: 'title' | 'small'): string {
  const style = kind === undefined ? '' : ` class="${kind}"`;
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}"${style}>${escaped}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
