import { CHANGES, PassingObserver, Shared, type SharedKind } from '../core/observer.js';

/** Frames are put back by so many at a time: copying neighbours costs nothing. */
export const BLOCK_FRAMES = 512;

/** Pages under a table, by the level of its entries. */
const TABLE_SPAN: Readonly<Partial<Record<SharedKind, number>>> = {
  [Shared.pte]: 2 ** 9,
  [Shared.pmd]: 2 ** 18,
  [Shared.pud]: 2 ** 27,
  [Shared.pgd]: 2 ** 35,
};

const OF_FRAMES: ReadonlySet<SharedKind> = new Set<SharedKind>([
  Shared.folioLock,
  Shared.pageFlags,
  Shared.refcount,
  Shared.pincount,
  Shared.mapcount,
  Shared.pageMapping,
  Shared.folioShape,
]);

/** What tasks have written since `clear`, as an observer sees it, which passes on all that it is told. */
export class TouchedState extends PassingObserver {
  readonly blocks = new Set<number>();
  /** Frames with other bytes. */
  readonly pages = new Set<number>();
  /** By the kind of their entries: ids of the first one. */
  readonly tables = new Map<SharedKind, Set<number>>(
    [Shared.pte, Shared.pmd, Shared.pud, Shared.pgd].map((kind) => [kind, new Set()]),
  );
  /** Address spaces whose vmas changed. */
  readonly mms = new Set<number>();
  /** Whose pages rmap finds where changed. */
  hasNewRmap = false;
  private lastKind = -1;
  private lastBlock = -1;

  override touch(kind: SharedKind, id: number, how: number, count: number): void {
    if (how & CHANGES) this.note(kind, id, count);
    super.touch(kind, id, how, count);
  }

  private note(kind: SharedKind, id: number, count: number): void {
    const span = TABLE_SPAN[kind];
    if (span !== undefined) {
      const first = id - (id % span);
      if (kind === this.lastKind && first === this.lastBlock) return;
      this.lastKind = kind;
      this.lastBlock = first;
      this.tables.get(kind)!.add(first);
    } else if (kind === Shared.content) for (let pfn = id; pfn < id + count; pfn++) this.pages.add(pfn);
    else if (kind === Shared.vmaList) this.mms.add(id);
    else if (kind === Shared.rmap) this.hasNewRmap = true;
    else if (OF_FRAMES.has(kind))
      for (let b = Math.floor(id / BLOCK_FRAMES); b * BLOCK_FRAMES < id + count; b++) this.blocks.add(b);
  }

  clear(): void {
    this.blocks.clear();
    this.pages.clear();
    for (const ids of this.tables.values()) ids.clear();
    this.mms.clear();
    this.hasNewRmap = false;
    this.lastKind = -1;
  }
}
