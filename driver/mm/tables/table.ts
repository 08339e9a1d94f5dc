import { assert } from '../../core/assert.js';
import { entryId, type Observable, Shared, type SharedKind } from '../../core/observer.js';
import { Kind } from './entry.js';

export const ENTRIES_PER_TABLE = 512;

/** Pages under one entry, by level. */
export const SPAN = [0, 1, 2 ** 9, 2 ** 18, 2 ** 27] as const;

/**
 * One table of 512 entries, and the only way to them: whatever reads or writes an entry does it here. While the kernel has
 * an observer, tables are `ObservedTable`s. Entry `i` is two numbers, `lo` (kind and flags) and `hi` (pfn or slot), see entry.ts. Tables
 * above the PTE level also have children; where a child hangs, the entry is of kind table.
 *
 * A reader under the page table lock takes `lo` and `hi`; one without it `loLockless` and `hiLockless`, as what they
 * answer may be gone by the time it is used. Linux: include/linux/pgtable.h:ptep_get() and ptep_get_lockless()
 */
export class Table {
  private readonly cells = new Uint32Array(2 * ENTRIES_PER_TABLE);
  /** All entries before this one are none. */
  firstUsed = ENTRIES_PER_TABLE;
  private readonly below: (Table | null)[] | null;
  /** Where it hangs: id of the address space, 0 for a table that is in no tree and so nobody else's concern. */
  protected mmId = 0;
  /** 1 for a table of PTEs. */
  protected level = 1;
  /** The first page that it covers. */
  protected firstVpn = 0;

  constructor(
    protected readonly kernel: Observable,
    readonly isLeaf: boolean,
  ) {
    this.below = isLeaf ? null : new Array<Table | null>(ENTRIES_PER_TABLE).fill(null);
  }

  lo(i: number): number {
    return this.cells[2 * i]!;
  }

  hi(i: number): number {
    return this.cells[2 * i + 1]!;
  }

  loLockless(i: number): number {
    return this.cells[2 * i]!;
  }

  hiLockless(i: number): number {
    return this.cells[2 * i + 1]!;
  }

  /** As an MMU sees it: what it notes of its use does not matter to it. */
  loOfMmu(i: number): number {
    return this.cells[2 * i]!;
  }

  hiOfMmu(i: number): number {
    return this.cells[2 * i + 1]!;
  }

  /** An MMU notes that the entry was used. */
  setUsed(i: number, lo: number): void {
    this.cells[2 * i] = lo;
  }

  /** The table below entry `i`. Walks down a tree take no lock for this. */
  child(i: number): Table | null {
    return this.below![i]!;
  }

  /** Linux: part of include/linux/pgtable.h:set_pte_at() and arch/riscv/include/asm/pgtable.h:set_pmd_at() */
  set(i: number, lo: number, hi: number): void {
    if (i < this.firstUsed) this.firstUsed = i;
    this.cells[2 * i] = lo;
    this.cells[2 * i + 1] = hi;
  }

  /** The first entry of [i, end) that is not none; `end` without. */
  nextUsed(i: number, end: number): number {
    let at = Math.max(i, Math.min(this.firstUsed, end));
    while (at < end && this.cells[2 * at] === Kind.none) at++;
    return at;
  }

  /** How many entries from `i` on, up to `most`, say the same but for `ignored` of frames in a row. */
  runLength(i: number, most: number, ignored: number): number {
    const { cells } = this;
    const lo = cells[2 * i]! & ~ignored;
    const end = 2 * (i + most);
    let hi = (cells[2 * i + 1]! + 1) | 0;
    let at = 2 * i + 2;
    for (; at < end && (cells[at]! & ~ignored) === lo && (cells[at + 1]! | 0) === hi; at += 2) hi = (hi + 1) | 0;
    return (at >> 1) - i;
  }

  /** Another kind or other flags for the same page. */
  setLo(i: number, lo: number): void {
    if (i < this.firstUsed) this.firstUsed = i;
    this.cells[2 * i] = lo;
  }

  /** Linux: part of arch/riscv/include/asm/pgtable.h:pte_clear() and pmd_clear() */
  clear(i: number, count = 1): void {
    if (i <= this.firstUsed && this.firstUsed < i + count) this.firstUsed = i + count;
    if (count === 1) {
      this.cells[2 * i] = Kind.none;
      this.cells[2 * i + 1] = 0;
    } else this.cells.fill(Kind.none, 2 * i, 2 * (i + count));
  }

  /** Entry `i` becomes entry `j` of `to`. */
  move(i: number, to: Table, j: number): void {
    to.set(j, this.lo(i), this.hi(i));
    this.clear(i);
  }

  /** All entries of a table that is in no tree yet; `hi` counts up by `step`. */
  fill(lo: number, hi: number, step: 0 | 1): void {
    assert(this.mmId === 0, 'a table that is in use is filled');
    this.firstUsed = 0;
    for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
      this.cells[2 * i] = lo;
      this.cells[2 * i + 1] = hi + i * step;
    }
  }

  /** Hangs `child`, empty or filled, under entry `i`, which is none or the leaf that `child` stands for now. */
  attach(i: number, child: Table): void {
    this.set(i, Kind.table, 0);
    this.below![i] = child;
    child.place(this.mmId, this.level - 1, this.firstVpn + i * SPAN[this.level]!);
  }

  /** Takes the table below entry `i` off, with all that is in it; the entry becomes none. */
  detach(i: number): Table {
    const child = this.below![i] ?? null;
    assert(child !== null, 'there is no table to be taken off');
    this.clear(i);
    this.below![i] = null;
    child.place(0, child.level, 0);
    return child;
  }

  /** Becomes the root of an address space's tree. */
  becomeRoot(mmId: number): void {
    this.place(mmId, 4, 0);
  }

  /** What an observer is told of its first entry; null for a table that is in no tree. */
  get firstEntry(): { kind: SharedKind; id: number } | null {
    if (this.mmId === 0) return null;
    return { kind: (Shared.pte - 1 + this.level) as SharedKind, id: entryId(this.mmId, this.firstVpn) };
  }

  /** Has another place in a tree, or none, with all tables below. */
  protected place(mmId: number, level: number, firstVpn: number): void {
    this.mmId = mmId;
    this.level = level;
    this.firstVpn = firstVpn;
    if (this.below === null) return;
    for (let i = 0; i < ENTRIES_PER_TABLE; i++) this.below[i]?.place(mmId, level - 1, firstVpn + i * SPAN[level]!);
  }

  /** Everything is none, whatever it was: for a machine whose life ends. Calls `release` for each table below. */
  clearTree(release: (table: Table) => void): void {
    if (this.below !== null) {
      for (const child of this.below) {
        if (child === null) continue;
        child.clearTree(release);
        release(child);
      }
      this.below.fill(null);
    }
    this.cells.fill(0);
    this.firstUsed = ENTRIES_PER_TABLE;
    this.mmId = 0;
  }

  /**
   * The entries as they lie, `rawEntries[2 * i]` and `rawEntries[2 * i + 1]`: for proofs about a whole machine and for whoever
   * prints one. Those are no step of a task, so no observer is told.
   */
  get rawEntries(): Uint32Array {
    return this.cells;
  }

  /** The tables below, for the same. */
  get rawChildren(): readonly (Table | null)[] | null {
    return this.below;
  }
}
