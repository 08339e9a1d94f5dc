import type { ChangeView, MachineAt, PageView, Recording } from '../../driver/recording/index.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { type Neighbour, rangeText, runsOf } from './neighbours.js';

/** What people mean by page n: counted from the beginning of the mapping that the run's first device command is about. */
export interface Pages {
  readonly mm: number;
  /** The first page, and the first behind. */
  readonly first: number;
  readonly end: number;
}

/** Of the first command with a range; without one of the first mapping of the first address space. */
export function pagesOf(recording: Recording): Pages {
  for (let step = 1; step <= recording.steps; step++) {
    for (const event of recording.events(step)) {
      if (event.kind !== 'ioctl' || event.phase !== 'begin' || event.npages === 0 || event.command === 'RELEASE')
        continue;
      const at = recording.at(step - 1);
      const pid = Number(recording.taskName(step).split('/')[0]);
      const mm = at.spaces().find(({ processes }) => processes.includes(pid))?.mm;
      const vma = mm === undefined ? undefined : vmaOf(at, mm, event.addr);
      if (mm !== undefined && vma !== undefined) return { mm, ...vma };
    }
  }
  for (let part = 0; part <= PARTS; part++) {
    const at = recording.at(Math.floor((recording.steps * (PARTS - part)) / PARTS));
    for (const { mm } of at.spaces())
      for (const { start, end } of at.vmas(mm)) return { mm, first: start / PAGE_SIZE, end: end / PAGE_SIZE };
  }
  return { mm: 0, first: 0, end: 0 };
}

/** A program may be over at the end, and not there at the beginning: so many places are looked at. */
const PARTS = 16;

function vmaOf(at: MachineAt, mm: number, addr: number): Pick<Pages, 'first' | 'end'> | undefined {
  const vma = at.vmas(mm).find(({ start, end }) => start <= addr && addr < end);
  return vma && { first: vma.start / PAGE_SIZE, end: vma.end / PAGE_SIZE };
}

/** `3`, or the address of a page outside. */
export function pageName({ first, end }: Pages, vpn: number): string {
  return vpn >= first && vpn < end ? String(vpn - first) : `0x${(vpn * PAGE_SIZE).toString(16)}`;
}

/** `entry 3: PRESENT W 12 -> MIG-W 12`. */
export function changeText(pages: Pages, change: Pick<ChangeView, 'what' | 'old' | 'new'>): string {
  return changeTexts(pages, [change])[0]!;
}

/** Changes of neighbours that are alike as one: `entry 1-3: PRESENT W 12-14 -> MIG-W 12-14`. */
export function changeTexts(pages: Pages, changes: readonly Pick<ChangeView, 'what' | 'old' | 'new'>[]): string[] {
  return runsOf(changes.map(neighbourOf)).map(({ first, last }) => {
    const { kind, space, isPage } = first;
    const [from, to] = [first.at, last.at].map((at) => (isPage ? pageName(pages, at) : String(at)));
    const what = Number.isNaN(first.at) ? kind : `${kind}${rangeText(from!, to!)}`;
    const where = space === ` of mm ${pages.mm}` ? '' : space;
    return `${what}${where}: ${valueText(first.old, last.old)} -> ${valueText(first.new, last.new)}`;
  });
}

/** What counts along with pages: the words, and the frame or slot behind them. */
interface Value {
  readonly text: string;
  readonly number: number | null;
}

interface ChangedNeighbour extends Neighbour {
  readonly kind: string;
  readonly space: string;
  readonly isPage: boolean;
  readonly old: Value;
  readonly new: Value;
}

function neighbourOf({ what, old, new: now }: Pick<ChangeView, 'what' | 'old' | 'new'>): ChangedNeighbour {
  const [, kind, place, space] = /^(.*?(?:entry|mirror|folio) )(0x[\da-f]+|\d+)(.*)$/.exec(what) ?? [];
  if (kind === undefined) {
    const plain = { old: { text: old, number: null }, new: { text: now, number: null } };
    return {
      at: Number.NaN,
      key: what,
      numbers: [],
      kind: what.replace(/ of mm \d+$/, ''),
      space: spaceOf(what),
      isPage: false,
      ...plain,
    };
  }
  const isPage = place!.startsWith('0x');
  const [a, b] = [old, now].map((value) => (isPage ? numberedValue(value) : { text: value, number: null }));
  return {
    at: isPage ? Number(place) / PAGE_SIZE : Number(place),
    key: `${kind}|${space}|${a!.text}|${b!.text}`,
    numbers: [a!, b!].flatMap(({ number }) => number ?? []),
    ...{ kind, space: space!, isPage, old: a!, new: b! },
  };
}

function spaceOf(what: string): string {
  return / of mm \d+$/.exec(what)?.[0] ?? '';
}

function numberedValue(text: string): Value {
  const [, words, number] = /^(.*) (\d+)$/.exec(text) ?? [];
  return words === undefined ? { text, number: null } : { text: words, number: Number(number) };
}

function valueText(first: Value, last: Value): string {
  return first.number === null ? first.text : `${first.text} ${rangeText(first.number, last.number!)}`;
}

/** Neighbours with the same text, and pfns that count along with them, as one line each. */
export function pageLines(pages: Pages, entries: Iterable<PageView>): string[] {
  const all = [...entries].map((page) => ({
    page,
    at: page.vpn,
    key: `${page.text} ${page.device}`,
    numbers: [page.pfn],
  }));
  return runsOf(all).map(({ first: { page: first }, last: { page: last } }) => {
    const names = rangeText(pageName(pages, first.vpn), pageName(pages, last.vpn));
    const huge = first.isHuge ? ' (512 pages)' : '';
    return `${names.padEnd(8)} ${entryText(first, last)}${huge}`;
  });
}

/** An entry, or a run of them, with its page and whose memory that is. */
export function entryText(first: PageView, last: PageView = first): string {
  const pfns = first.pfn === 0 ? '' : ` ${rangeText(first.pfn, last.pfn)}`;
  return `${first.text}${pfns}${first.device === null ? '' : ` of device ${first.device}`}`;
}
