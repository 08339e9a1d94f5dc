import type { ChangeView, MachineAt, PageView, Recording } from '../../driver/recording/index.js';
import { PAGE_SIZE } from '../../uapi/mman.js';

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
export function changeText(pages: Pages, { what, old, new: now }: Pick<ChangeView, 'what' | 'old' | 'new'>): string {
  const named = what
    .replace(/0x[\da-f]+/, (addr) => pageName(pages, Number(addr) / PAGE_SIZE))
    .replace(` of mm ${pages.mm}`, '');
  return `${named}: ${old} -> ${now}`;
}

/** Neighbours with the same text, and pfns that count up with them, as one line each. */
export function pageLines(pages: Pages, entries: Iterable<PageView>): string[] {
  const runs: { first: PageView; last: PageView }[] = [];
  for (const page of entries) {
    const run = runs.at(-1);
    const distance = run === undefined ? 0 : page.vpn - run.first.vpn;
    const goesOn =
      run !== undefined &&
      page.vpn === run.last.vpn + 1 &&
      page.text === run.first.text &&
      page.device === run.first.device &&
      page.pfn === (run.first.pfn === 0 ? 0 : run.first.pfn + distance);
    if (goesOn) run.last = page;
    else runs.push({ first: page, last: page });
  }
  return runs.map(({ first, last }) => {
    const names = range(pageName(pages, first.vpn), pageName(pages, last.vpn));
    const huge = first.isHuge ? ' (512 pages)' : '';
    return `${names.padEnd(8)} ${entryText(first, last)}${huge}`;
  });
}

/** An entry with its page and whose memory that is. */
export function entryText(first: PageView, last: PageView = first): string {
  const pfns = first.pfn === 0 ? '' : ` ${range(String(first.pfn), String(last.pfn))}`;
  return `${first.text}${pfns}${first.device === null ? '' : ` of device ${first.device}`}`;
}

function range(from: string, to: string): string {
  return from === to ? from : `${from}-${to}`;
}
