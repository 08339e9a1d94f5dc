import { entryId, spaceAndPage } from '../core/observer.js';
import { mirrorAccess, mirrorPfn } from '../dmirror/mirror/mirror.js';
import { flagNames, HPAGE_PMD_NR, PAGE_SIZE, PG } from '../mm/frames/frames.js';
import { entryText, Kind, kindOf, Pte } from '../mm/tables/entry.js';
import { Cell, type CellKind, hiOf, loOf } from './cell-history.js';
import { type ChunkId, type FileId, NO_NOTIFIER, type SpaceId, type TaskCell } from './live-machine.js';
import type {
  FolioView,
  MachineView,
  MirrorPageView,
  MirrorView,
  NotifierView,
  PageKind,
  PageView,
  SpaceView,
  TaskView,
  VmaView,
} from './machine-view.js';
import { type AddressRange, without } from './ranges.js';

/** Where a machine at some step has its values. */
export interface Cells {
  number(kind: CellKind, id: number): number;
  spaces(): readonly SpaceId[];
  files(): readonly FileId[];
  vmas(mm: number): readonly VmaView[];
  /** Where entries may be that outlive their vma: what is unmapped has none from the first step on. */
  lately(mm: number): readonly AddressRange[];
  tasks(): TaskCell[];
  stack(task: number): readonly string[];
  chunks(): readonly ChunkId[];
  /** Pfns of folios whose lock changed hands. */
  everLocked(): number[];
}

const KINDS: Readonly<Record<number, PageKind>> = {
  [Kind.none]: 'none',
  [Kind.table]: 'none',
  [Kind.swap]: 'swap',
  [Kind.migration]: 'migration',
  [Kind.devicePrivate]: 'device-private',
  [Kind.deviceExclusive]: 'exclusive',
  [Kind.marker]: 'marker',
  [Kind.hwpoison]: 'hwpoison',
};
/** Pages of one address space or mirror that a view has, unless it is asked for more. */
const PAGES = 4096;

/** A machine as it was after `step` steps, to be read. Each question costs what its answer has in it. */
export class MachineAt {
  private chunks: readonly ChunkId[] | null = null;
  private readonly rangesOf = new Map<number, readonly AddressRange[]>();

  constructor(
    readonly step: number,
    private readonly cells: Cells,
  ) {}

  spaces(): readonly SpaceId[] {
    return this.cells.spaces();
  }

  vmas(mm: number): readonly VmaView[] {
    return this.cells.vmas(mm);
  }

  /** Ranges that are being unmapped: they have no vma any more, and may have entries yet. */
  leftOver(mm: number): AddressRange[] {
    return without(this.cells.lately(mm), this.vmas(mm));
  }

  /** Where there may be entries, in order. */
  ranges(mm: number): readonly AddressRange[] {
    let ranges = this.rangesOf.get(mm);
    if (ranges === undefined) {
      ranges = [...this.vmas(mm), ...this.leftOver(mm)].sort((a, b) => a.start - b.start);
      this.rangesOf.set(mm, ranges);
    }
    return ranges;
  }

  files(): readonly FileId[] {
    return this.cells.files();
  }

  /** Every thread that there is, by id. */
  tasks(): TaskView[] {
    const tasks = this.cells.tasks().sort((a, b) => a.id - b.id);
    return tasks.map((task) => ({ ...task, stack: this.cells.stack(task.id) }));
  }

  notifier(mm: number): NotifierView | null {
    const seq = this.cells.number(Cell.notifierSeq, mm);
    return seq === NO_NOTIFIER ? null : { seq, active: this.cells.number(Cell.notifierActive, mm) };
  }

  /** The entry that decides about a page. */
  page(mm: number, vpn: number): PageView {
    const pte = this.cells.number(Cell.pte, entryId(mm, vpn));
    if (kindOf(loOf(pte)) !== Kind.none) return this.entry(vpn, pte);
    const first = vpn - (vpn % HPAGE_PMD_NR);
    const pmd = this.cells.number(Cell.pmd, entryId(mm, first));
    const isLeaf = kindOf(loOf(pmd)) !== Kind.table && kindOf(loOf(pmd)) !== Kind.none;
    return isLeaf ? this.entry(first, pmd) : this.entry(vpn, Kind.none);
  }

  /** Entries of [first, end) that are not none, in order. */
  *pages(mm: number, first: number, end: number): Generator<PageView> {
    for (let vpn = first; vpn < end; ) {
      const base = vpn - (vpn % HPAGE_PMD_NR);
      const stop = Math.min(end, base + HPAGE_PMD_NR);
      const pmd = kindOf(loOf(this.cells.number(Cell.pmd, entryId(mm, base))));
      if (pmd === Kind.table) {
        for (; vpn < stop; vpn++) {
          const page = this.page(mm, vpn);
          if (page.kind !== 'none') yield page;
        }
      } else if (pmd !== Kind.none) yield this.page(mm, vpn);
      vpn = stop;
    }
  }

  /** What a device file maps of [first, end). */
  *mirror(file: number, first: number, end: number): Generator<MirrorPageView> {
    for (let vpn = first; vpn < end; vpn++) {
      const entry = this.cells.number(Cell.mirror, entryId(file, vpn));
      if (entry !== 0) yield { vpn, pfn: mirrorPfn(entry), access: mirrorAccess(entry) };
    }
  }

  /** Folios whose lock somebody has, of those that were ever locked in the run. */
  lockedFolios(): { readonly pfn: number; readonly by: number }[] {
    const pfns = this.cells.everLocked().filter((pfn) => this.cells.number(Cell.flags, pfn) & PG.locked);
    return pfns.map((pfn) => ({ pfn, by: this.cells.number(Cell.lockOwner, pfn) }));
  }

  /** The machine has a page of that number. */
  hasPage(pfn: number): boolean {
    return (this.cells.number(Cell.head, pfn) as number | undefined) !== undefined;
  }

  /** The folio that a page is of. Throws RangeError for a pfn that the machine has no page of. */
  folio(pfn: number, mappers?: FolioView['mappers']): FolioView {
    if (!this.hasPage(pfn)) throw new RangeError(`the machine has no page with pfn ${pfn}`);
    const { cells } = this;
    const head = cells.number(Cell.head, pfn);
    const flags = cells.number(Cell.flags, head);
    const owner = cells.number(Cell.lockOwner, head);
    return {
      pfn: head,
      order: cells.number(Cell.order, head),
      refcount: cells.number(Cell.refcount, head),
      mapcount: cells.number(Cell.mapcount, head),
      flags: flagNames(flags),
      lockedBy: flags & PG.locked ? owner : null,
      device: this.chunkOf(head)?.device ?? null,
      mappers: mappers ?? this.mappersOf(pfn),
    };
  }

  /** All of it, of each address space and mirror `pages` pages at most. */
  view({ pages = PAGES }: { pages?: number } = {}): MachineView {
    const cut = { isCut: false };
    const spaces = this.spaces().map((space) => this.spaceView(space, pages, cut));
    const mirrors = this.files().map((file) => this.mirrorView(file, pages, cut));
    const mappers = new Map<number, { mm: number; vpn: number }[]>();
    const named = (pfn: number): { mm: number; vpn: number }[] => {
      const head = this.cells.number(Cell.head, pfn);
      const known = mappers.get(head);
      if (known !== undefined) return known;
      const made: { mm: number; vpn: number }[] = [];
      mappers.set(head, made);
      return made;
    };
    for (const { mm, pages: entries } of spaces)
      for (const { pfn, kind, vpn } of entries) if (pfn !== 0 && kind !== 'swap') named(pfn).push({ mm, vpn });
    for (const { pages: entries } of mirrors) for (const { pfn } of entries) named(pfn);
    const folios = [...mappers].sort(([a], [b]) => a - b).map(([pfn, of]) => this.folio(pfn, of));
    return { step: this.step, spaces, mirrors, folios, tasks: this.tasks(), ...cut };
  }

  private spaceView({ mm, processes }: SpaceId, most: number, cut: { isCut: boolean }): SpaceView {
    const vmas = this.vmas(mm);
    const pages: PageView[] = [];
    for (const { start, end } of this.ranges(mm))
      for (const page of this.pages(mm, start / PAGE_SIZE, end / PAGE_SIZE)) {
        if (pages.length === most) cut.isCut = true;
        if (pages.length === most) break;
        pages.push(page);
      }
    return { mm, processes, vmas, pages, notifier: this.notifier(mm) };
  }

  private mirrorView({ file, device, mm }: FileId, most: number, cut: { isCut: boolean }): MirrorView {
    const pages: MirrorPageView[] = [];
    for (const { start, end } of this.ranges(mm)) {
      const first = start / PAGE_SIZE;
      for (const page of this.mirror(file, first, Math.min(end / PAGE_SIZE, first + most))) {
        if (pages.length === most) cut.isCut = true;
        if (pages.length === most) break;
        pages.push(page);
      }
    }
    return { file, device, mm, pages };
  }

  private mappersOf(pfn: number): { mm: number; vpn: number }[] {
    const head = this.cells.number(Cell.head, pfn);
    return this.spaces().flatMap(({ mm }) =>
      this.ranges(mm).flatMap(({ start, end }) =>
        [...this.pages(mm, start / PAGE_SIZE, end / PAGE_SIZE)]
          .filter((page) => page.pfn !== 0 && page.kind !== 'swap' && this.cells.number(Cell.head, page.pfn) === head)
          .map(({ vpn }) => ({ mm, vpn })),
      ),
    );
  }

  private entry(vpn: number, value: number): PageView {
    const lo = loOf(value);
    const kind = kindOf(lo);
    const pfn = kind === Kind.none || kind === Kind.table ? 0 : hiOf(value);
    const device = pfn === 0 || kind === Kind.swap ? null : (this.chunkOf(pfn)?.device ?? null);
    const isWritable = (lo & Pte.write) !== 0;
    const isHuge = (lo & Pte.huge) !== 0;
    return { vpn, kind: this.kindOf(lo, pfn), isWritable, isHuge, text: entryText(lo), pfn, device };
  }

  private kindOf(lo: number, pfn: number): PageKind {
    const kind = KINDS[kindOf(lo)];
    if (kind !== undefined) return kind;
    if (lo & Pte.special) return 'zero';
    if (lo & Pte.protnone) return 'protnone';
    return this.chunkOf(pfn)?.isPrivate === false ? 'coherent' : 'present';
  }

  private chunkOf(pfn: number): ChunkId | undefined {
    this.chunks ??= this.cells.chunks();
    return this.chunks.find(({ firstPfn, npages }) => firstPfn <= pfn && pfn < firstPfn + npages);
  }
}

/** For texts: the page that an id of an entry names. */
export function pageOf(id: number): { mm: number; vpn: number } {
  const { space, vpn } = spaceAndPage(id);
  return { mm: space, vpn };
}
