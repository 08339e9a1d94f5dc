import { assert } from '../../core/assert.js';
import type { Observable } from '../../core/observer.js';
import type { KernelMemory } from '../frames/kernel-memory.js';
import { KIND_MASK, Kind } from './entry.js';
import { ObservedTable } from './observed-table.js';
import { ENTRIES_PER_TABLE, Table } from './table.js';

export { ENTRIES_PER_TABLE, Table };

/** Pages under one entry of each level: PTE, PMD, PUD, PGD. */
export const PAGES_PER_PMD_ENTRY = 512;
export const PAGES_PER_PUD_ENTRY = 512 * 512;
export const PAGES_PER_PGD_ENTRY = 512 * 512 * 512;
/** User address space: 47 bits, less the guard page. Linux: arch/x86 TASK_SIZE_MAX. */
export const TASK_SIZE = 0x7ffffffff000;
/** Pages of the user address space that the 4 levels cover. */
export const TASK_PAGES = 2 ** 35;

/** Free tables of each kind that are kept; what a machine needs once is left to the garbage collector. */
const KEPT_TABLES = 4096;

/** Keeps tables that are not in use. A free table is all NONE, so that a machine's next life starts clean. */
export class TablePool {
  private readonly freeLeaves: Table[] = [];
  private readonly freeInner: Table[] = [];
  /** Tables handed out and not yet returned. */
  inUse = 0;
  /** Tables in use are `ObservedTable`s, and no walk is remembered. */
  isObserved = false;

  constructor(
    private readonly kernel: Observable,
    private readonly kernelMemory: KernelMemory,
  ) {}

  allocate(isLeaf: boolean): Table {
    this.inUse++;
    this.kernelMemory.take('table', 1);
    const table = (isLeaf ? this.freeLeaves.pop() : this.freeInner.pop()) ?? new Table(this.kernel, isLeaf);
    if (this.isObserved) setTableObserved(table, true);
    return table;
  }

  /** The caller guarantees that the table is empty. */
  release(table: Table): void {
    this.inUse--;
    this.kernelMemory.give('table', 1);
    if (this.isObserved) setTableObserved(table, false);
    const free = table.isLeaf ? this.freeLeaves : this.freeInner;
    if (free.length < KEPT_TABLES) free.push(table);
  }

  /** Returns a whole tree, whatever is in it: for a machine whose life ends. */
  releaseTree(table: Table): void {
    table.clearTree((below) => this.release(below));
    this.release(table);
  }
}

/** The four-level page table of one address space. All numbers are vpns (address / 4096), which fit 35 bits. */
export class PageTable {
  readonly root: Table;
  private cachedPmdBase = -1;
  private cachedPmd: Table | null = null;

  constructor(
    private readonly pool: TablePool,
    mmId: number,
  ) {
    this.root = pool.allocate(false);
    this.root.becomeRoot(mmId);
  }

  /** The PMD table whose 512 entries cover `vpn`'s GiB, or null when a level above is none. */
  pmdTable(vpn: number): Table | null {
    const base = Math.floor(vpn / PAGES_PER_PUD_ENTRY);
    if (base === this.cachedPmdBase) return this.cachedPmd;
    const pgdIndex = Math.floor(vpn / PAGES_PER_PGD_ENTRY);
    const pmd =
      pgdIndex < ENTRIES_PER_TABLE ? (this.root.child(pgdIndex)?.child(base % ENTRIES_PER_TABLE) ?? null) : null;
    if (pmd !== null && !this.pool.isObserved) {
      this.cachedPmdBase = base;
      this.cachedPmd = pmd;
    }
    return pmd;
  }

  /** As `pmdTable`, with missing levels made. */
  pmdTableAlloc(vpn: number): Table {
    const found = this.pmdTable(vpn);
    if (found !== null) return found;
    assert(vpn < TASK_PAGES, 'vpn % is outside the user address space', vpn);
    const pud = this.childAlloc(this.root, Math.floor(vpn / PAGES_PER_PGD_ENTRY), false);
    return this.childAlloc(pud, Math.floor(vpn / PAGES_PER_PUD_ENTRY) % ENTRIES_PER_TABLE, false);
  }

  /** The PTE table of `vpn`, or null when the PMD entry is none or a 2 MiB leaf. */
  pteTable(vpn: number): Table | null {
    const pmd = this.pmdTable(vpn);
    return pmd === null ? null : pmd.child(pmdIndex(vpn));
  }

  /** As `pteTable`, with missing levels made; the PMD entry must not be a leaf. */
  pteTableAlloc(vpn: number): Table {
    return this.childAlloc(this.pmdTableAlloc(vpn), pmdIndex(vpn), true);
  }

  /** Hangs `leaf`, a filled PTE table, under the PMD entry of `vpn` (a split, or a table that mremap moves). */
  setPteTable(vpn: number, leaf: Table): void {
    this.pmdTableAlloc(vpn).attach(pmdIndex(vpn), leaf);
  }

  /** Takes the PTE table of `vpn` off its PMD entry, which becomes none, and gives it to the caller. */
  detachPteTable(vpn: number): Table {
    const pmd = this.pmdTable(vpn);
    assert(pmd !== null, 'vpn % has no PTE table', vpn);
    return pmd.detach(pmdIndex(vpn));
  }

  newLeaf(): Table {
    return this.pool.allocate(true);
  }

  releaseLeaf(table: Table): void {
    this.pool.release(table);
  }

  /** Frees the whole tree; the entries must be gone already, or not matter any more. */
  destroy(): void {
    this.forgetCache();
    this.pool.releaseTree(this.root);
  }

  /** What is in use becomes observed or plain, see `Memory`. */
  setObserved(isObserved: boolean): void {
    this.forgetCache();
    setTreeObserved(this.root, isObserved);
  }

  /** Must follow the release of any PMD table. */
  forgetCache(): void {
    this.cachedPmdBase = -1;
    this.cachedPmd = null;
  }

  private childAlloc(table: Table, index: number, isLeaf: boolean): Table {
    const existing = table.child(index);
    if (existing !== null) return existing;
    assert((table.loLockless(index) & KIND_MASK) === Kind.none, 'a table would replace a leaf entry');
    const child = this.pool.allocate(isLeaf);
    table.attach(index, child);
    return child;
  }
}

function setTreeObserved(table: Table, isObserved: boolean): void {
  setTableObserved(table, isObserved);
  for (const child of table.rawChildren ?? []) if (child !== null) setTreeObserved(child, isObserved);
}

/** Both classes have the same fields. */
function setTableObserved(table: Table, isObserved: boolean): void {
  Object.setPrototypeOf(table, isObserved ? ObservedTable.prototype : Table.prototype);
}

export function pmdIndex(vpn: number): number {
  return Math.floor(vpn / ENTRIES_PER_TABLE) % ENTRIES_PER_TABLE;
}

export function pteIndex(vpn: number): number {
  return vpn % ENTRIES_PER_TABLE;
}
