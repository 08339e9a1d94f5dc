import { Shared, type SharedKind, spaceAndPage } from '../core/observer.js';
import { Zone } from '../mm/frames/frames.js';
import { forEachUsedRun } from '../mm/invariant-counts.js';
import { type PlacedTable, type ProofScope, tablesBelow, usedFramesIn } from '../mm/invariants.js';
import type { Memory } from '../mm/memory.js';
import { Kind, kindOf } from '../mm/tables/entry.js';
import type { Table } from '../mm/tables/page-table.js';
import type { Mm } from '../mm/vmas/mm.js';
import { BLOCK_FRAMES, type TouchedState } from './touched-state.js';

const blockOf = (pfn: number): number => Math.floor(pfn / BLOCK_FRAMES);

/** Who uses frames of which block, as it was when a snapshot was taken and everything was proved. */
export class UsersOfFrames {
  /** By mm. */
  readonly tables = new Map<number, PlacedTable[]>();
  readonly tablesOf = new Map<number, { mmId: number; placed: PlacedTable }[]>();
  readonly blocksOf = new Map<Table, number[]>();
  /** Device pages and what backs them, both ways. */
  readonly partners = new Map<number, Set<number>>();
  readonly usedFrames: number;
  readonly usedIn = new Map<number, number>();

  constructor(memory: Memory) {
    for (const mm of memory.mms) {
      const placedTables = [...tablesBelow({ table: mm.pageTable.root, level: 4, base: 0 })];
      this.tables.set(mm.id, placedTables);
      for (const placed of placedTables) {
        const blocks = blocksNamedBy(placed.table);
        this.blocksOf.set(placed.table, blocks);
        for (const block of blocks) addTo(this.tablesOf, block, { mmId: mm.id, placed });
      }
    }
    forEachUsedRun(memory, (first, end) => {
      for (const [a, b] of backings(memory, first, end))
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const)
          this.partners.set(from, (this.partners.get(from) ?? new Set()).add(to));
    });
    const { freshStart } = memory.allocator;
    for (let first = 0; first < freshStart; first += BLOCK_FRAMES)
      this.usedIn.set(blockOf(first), usedFramesIn(memory, first, first + BLOCK_FRAMES));
    this.usedFrames = usedFramesIn(memory, 0, freshStart);
  }
}

/**
 * The part of a machine that has to be looked at again after a run: the blocks of frames that were touched or that touched
 * tables name, and every table, then or now, that names one of them.
 */
export class TouchedScope implements ProofScope {
  private readonly blocks: Set<number>;
  /** By mm: what to look at, once each. */
  private readonly placed = new Map<number, Map<Table, PlacedTable>>();

  constructor(
    private readonly memory: Memory,
    private readonly before: UsersOfFrames,
    touched: TouchedState,
  ) {
    this.blocks = new Set(touched.blocks);
    for (const [kind, ids] of touched.tables) for (const id of ids) this.addPosition(kind, id);
    for (const mm of memory.mms) if (touched.hasNewRmap || touched.mms.has(mm.id)) this.addSpace(mm);
    // A set that grows is gone through to its end.
    for (const block of this.blocks) {
      this.addBlocks(before.partners.get(block));
      for (const [, backing] of backings(memory, block * BLOCK_FRAMES, (block + 1) * BLOCK_FRAMES))
        this.blocks.add(backing);
      for (const { mmId, placed } of before.tablesOf.get(block) ?? []) this.add(mmId, placed);
    }
  }

  tables(mm: Mm): Iterable<PlacedTable> {
    return this.placed.get(mm.id)?.values() ?? [];
  }

  forEachRun(visit: (first: number, end: number) => void): void {
    forEachUsedRun(this.memory, (first, end) => {
      for (const block of this.blocks) {
        const from = Math.max(first, block * BLOCK_FRAMES);
        const to = Math.min(end, (block + 1) * BLOCK_FRAMES);
        if (from < to) visit(from, to);
      }
    });
  }

  usedFrames(): number {
    let used = this.before.usedFrames;
    for (const block of this.blocks) {
      if (block * BLOCK_FRAMES >= this.memory.frames.systemFrames) continue;
      const now = usedFramesIn(this.memory, block * BLOCK_FRAMES, (block + 1) * BLOCK_FRAMES);
      used += now - (this.before.usedIn.get(block) ?? 0);
    }
    return used;
  }

  private addPosition(kind: SharedKind, id: number): void {
    const { space, vpn } = spaceAndPage(id);
    const level = kind - Shared.pte + 1;
    const then = this.before.tables.get(space)?.find((placed) => placed.level === level && placed.base === vpn);
    if (then !== undefined) this.addBlocks(this.before.blocksOf.get(then.table));
    for (const mm of this.memory.mms) {
      const table = mm.id === space ? tableAt(mm, level, vpn) : null;
      if (table !== null) this.addNow(space, { table, level, base: vpn });
    }
  }

  /** Its vmas or who finds its pages changed: every entry must fit, though it counts as before. */
  private addSpace(mm: Mm): void {
    for (const placed of tablesBelow({ table: mm.pageTable.root, level: 4, base: 0 })) this.add(mm.id, placed);
  }

  private addNow(mmId: number, placed: PlacedTable): void {
    this.addBlocks(blocksNamedBy(placed.table));
    this.add(mmId, placed);
  }

  private addBlocks(blocks: Iterable<number> = []): void {
    for (const block of blocks) this.blocks.add(block);
  }

  private add(mmId: number, placed: PlacedTable): void {
    const ofMm = this.placed.get(mmId) ?? new Map<Table, PlacedTable>();
    // A table that has moved since is known by where it is now.
    if (!ofMm.has(placed.table)) this.placed.set(mmId, ofMm.set(placed.table, placed));
  }
}

function addTo<T>(map: Map<number, T[]>, key: number, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** Blocks of device pages among [first, end) that are in use, each with the block of its backing page. */
function* backings({ frames: { zone, raw, count } }: Memory, first: number, end: number): Generator<[number, number]> {
  for (let pfn = first; pfn < Math.min(end, count); pfn++)
    if (zone[pfn] === Zone.private && raw.refcount[pfn] !== 0) yield [blockOf(pfn), blockOf(raw.zoneDeviceData[pfn]!)];
}

function blocksNamedBy({ rawEntries }: Table): number[] {
  const blocks = new Set<number>();
  for (let i = 0; i < rawEntries.length; i += 2) {
    const kind = kindOf(rawEntries[i]!);
    if (kind === Kind.present || kind === Kind.devicePrivate || kind === Kind.deviceExclusive)
      blocks.add(blockOf(rawEntries[i + 1]!));
  }
  return [...blocks];
}

function tableAt(mm: Mm, level: number, vpn: number): Table | null {
  let table: Table | null = mm.pageTable.root;
  for (let above = 4; above > level && table !== null; above--)
    table = table.rawChildren![Math.floor(vpn / 512 ** (above - 1)) % 512]!;
  return table;
}
