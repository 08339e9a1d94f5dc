import { AssertionError } from '../core/assert.js';
import type { AddressSpace } from './files/address-space.js';
import { GUP_PIN_COUNTING_BIAS, PAGE_SIZE, PG, Zone } from './frames/frames.js';
import { forEachUsedRun, type InvariantCounts, takeInvariantCounts } from './invariant-counts.js';
import type { Memory } from './memory.js';
import { checkTlb } from './tables/check-tlb.js';
import { entryText, Kind, type KindId, kindOf, Pte } from './tables/entry.js';
import type { Table } from './tables/page-table.js';
import type { Mm } from './vmas/mm.js';
import { VM } from './vmas/vm-flags.js';
import { mapsShmem, type Vma } from './vmas/vma.js';

/** What no present entry is. Linux: mm/page_table_check.c:page_table_check_pte_flags(), page_table_check_pmd_flags() */
const PROTECTED_BUT_WRITABLE = Pte.uffdWp | Pte.write;

/** A table and where it hangs: the level of its entries, 1 for PTEs, and the first page that it covers. */
export interface PlacedTable {
  readonly table: Table;
  readonly level: number;
  readonly base: number;
}

/** What a proof looks at: tables, and frames of which these and the rest of the scope hold every user. */
export interface ProofScope {
  tables(mm: Mm): Iterable<PlacedTable>;
  forEachRun(visit: (first: number, end: number) => void): void;
  /** Frames of RAM that have references, all of them. */
  usedFrames(): number;
}

/** All there is. */
function wholeScope(memory: Memory): ProofScope {
  return {
    tables: ({ pageTable: { root } }) => tablesBelow({ table: root, level: 4, base: 0 }),
    forEachRun: (visit) => forEachUsedRun(memory, visit),
    usedFrames: () => usedFramesIn(memory, 0, memory.allocator.freshStart),
  };
}

/**
 * Proves the books of the whole machine, from the entries up: references = mappings + pins + caches + device-exclusive
 * entries + backing, mapcounts = mappings, no migration entry and no lock bit without a migrator, swap counts, frames in
 * use + free = all, that rmap finds every anonymous mapping, that no TLB allows more than its page table, and that what counts as cleared is zero. Must run while no task is in the kernel.
 * With `scope`, of the part of the machine that this names. Throws an AssertionError that names the page or the entry.
 */
export function checkInvariants(memory: Memory, scope?: ProofScope): void {
  const look = scope ?? wholeScope(memory);
  const forEachRun: ProofScope['forEachRun'] = (visit) => look.forEachRun(visit);
  const expected = takeInvariantCounts(memory, forEachRun);
  let tables = 0;
  for (const mm of memory.mms) {
    checkVmas(mm);
    for (const placed of look.tables(mm)) countTable(mm, placed, expected);
    tables += countTables(mm.pageTable.root, 4);
    if (mm.tlbFlushPending !== 0 || mm.tlbBatches !== 0) throw new AssertionError(`mm ${mm.id}: a flush never came`);
    checkTlb(mm);
  }
  if (tables !== memory.tables.inUse)
    throw new AssertionError(`${memory.tables.inUse} page table pages are in use, ${tables} can be reached`);
  checkKernelObjects(memory);
  countCaches(memory, forEachRun, expected);
  const { refcount } = memory.frames.raw;
  forEachRun((first, end) => {
    for (let pfn = first; pfn < end; pfn++) {
      if (refcount[pfn] !== 0 || expected.refs[pfn] !== 0) checkFrame(memory, pfn, expected);
    }
  });
  checkFreeFrames(memory, look.usedFrames());
  if (scope !== undefined) return;
  const unsaid = memory.ram.firstUnsaid(0, memory.allocator.freshStart);
  if (unsaid >= 0) throw new AssertionError(`pfn ${unsaid} counts as never written since it was cleared, and was`);
  for (const [slot, count] of expected.slotCounts) {
    if (memory.swap.swapCount(slot) !== count) {
      throw new AssertionError(`swap slot ${slot} counts ${memory.swap.swapCount(slot)} entries, ${count} exist`);
    }
  }
}

function checkVmas(mm: Mm): void {
  let previousEnd = 0;
  for (const vma of mm.vmas) {
    if (vma.start < previousEnd || vma.end <= vma.start)
      throw new AssertionError(`mm ${mm.id}: vmas overlap at 0x${vma.start.toString(16)}`);
    previousEnd = vma.end;
  }
}

/** A table and all below it. */
export function* tablesBelow(placed: PlacedTable): Generator<PlacedTable> {
  yield placed;
  const { table, level, base } = placed;
  const children = table.rawChildren ?? [];
  for (let i = 0; i < children.length; i++) {
    const child = children[i]!;
    if (child === null) continue;
    const below = { table: child, level: level - 1, base: base + i * 512 ** (level - 1) };
    if (child.isLeaf) yield below;
    else yield* tablesBelow(below);
  }
}

function countTables(table: Table, level: number): number {
  let count = 1;
  for (const child of table.rawChildren ?? [])
    if (child !== null) count += level === 2 ? 1 : countTables(child, level - 1);
  return count;
}

/** Entries that one look takes together: most tables are nearly empty, so most looks find nothing. */
const STRIDE = 8;

/** Every entry that is not none and stands for pages, whatever the vmas say. A child hangs only where the entry says so. */
function countTable(mm: Mm, { table, level, base }: PlacedTable, expected: InvariantCounts): void {
  const { rawEntries: entries, rawChildren: children } = table;
  const span = 512 ** (level - 1);
  for (let first = 0; first < 512; first += STRIDE) {
    if (!anyOfEight(entries, 2 * first)) continue;
    for (let i = first; i < first + STRIDE; i++) {
      if (children !== null && children[i]! !== null) continue;
      if (kindOf(entries[2 * i]!) === Kind.none) continue;
      if (i < table.firstUsed)
        throw new AssertionError(`entry ${i} is used, though all before ${table.firstUsed} are said to be none`);
      countEntry(mm, { vpn: base + i * span, table, i }, expected);
    }
  }
}

function anyOfEight(entries: Uint32Array, at: number): boolean {
  return (
    (entries[at]! |
      entries[at + 2]! |
      entries[at + 4]! |
      entries[at + 6]! |
      entries[at + 8]! |
      entries[at + 10]! |
      entries[at + 12]! |
      entries[at + 14]!) !==
    0
  );
}

function countEntry(mm: Mm, at: { vpn: number; table: Table; i: number }, expected: InvariantCounts): void {
  const { raw } = mm.memory.frames;
  const lo = at.table.lo(at.i);
  const hi = at.table.hi(at.i);
  const kind = kindOf(lo);
  const vma = mm.vmaLookup(at.vpn * PAGE_SIZE);
  if (vma === null) throw entryError(mm, at, 'is outside every vma');
  if (kind === Kind.migration) throw entryError(mm, at, `outlives its migrator (pfn ${hi})`);
  if (kind === Kind.swap) expected.slotCounts.set(hi, (expected.slotCounts.get(hi) ?? 0) + 1);
  if (kind === Kind.present && (lo & PROTECTED_BUT_WRITABLE) === PROTECTED_BUT_WRITABLE)
    throw entryError(mm, at, 'is writable, though userfaultfd is to be told of writes');
  const mapsPage = kind === Kind.present || kind === Kind.devicePrivate || kind === Kind.deviceExclusive;
  if (!mapsPage || lo & Pte.special) return;
  const head = raw.head[hi]!;
  if (raw.refcount[head]! === 0) throw entryError(mm, at, `points to pfn ${hi}, which is free`);
  expected.refs[head]!++;
  if (lo & Pte.huge) expected.entire[head]!++;
  else if (kind !== Kind.deviceExclusive || mm.memory.profile.exclusiveIsMapping) expected.mapcount[hi]!++;
  checkMapping(mm, at, { vma, kind, pfn: hi });
}

/** A page must be found by an rmap walk from its own fields, and a writable private one be exclusive. */
function checkMapping(
  mm: Mm,
  at: { vpn: number; table: Table; i: number },
  page: { vma: Vma; kind: KindId; pfn: number },
): void {
  const {
    frames: { raw },
    anonVmas,
  } = mm.memory;
  const { vma, pfn } = page;
  const head = raw.head[pfn]!;
  if (vma.flags & VM.hugetlb) return;
  if (!(raw.flags[head]! & PG.anon)) {
    checkFileMapping(mm, at, page);
    return;
  }
  const anonVma = anonVmas.get(raw.mapping[head]!);
  if (anonVma === undefined || !anonVma.vmas.includes(vma))
    throw entryError(mm, at, `is not reached by the rmap of pfn ${pfn}`);
  const index = raw.index[head]! + (pfn - head);
  if (vma.addressOf(index) !== at.vpn * PAGE_SIZE)
    throw entryError(mm, at, `has pfn ${pfn} of index ${index}, which rmap looks for elsewhere`);
  const exclusive = (raw.flags[at.table.isLeaf ? pfn : head]! & PG.anonExclusive) !== 0;
  const writable = (at.table.lo(at.i) & Pte.write) !== 0;
  if (writable && !exclusive && page.kind !== Kind.deviceExclusive)
    throw entryError(mm, at, `is writable, but pfn ${pfn} is not exclusive`);
}

/** What tmpfs has of a file is mapped at its place in it, and nothing else is. */
function checkFileMapping(
  mm: Mm,
  at: { vpn: number; table: Table; i: number },
  { vma, pfn }: { vma: Vma; pfn: number },
): void {
  if (!mapsShmem(vma)) return;
  const { raw } = mm.memory.frames;
  const head = raw.head[pfn]!;
  const index = raw.index[head]! + (pfn - head);
  const isOurs = raw.mapping[head] === vma.file!.mapping!.id && index === vma.linearPageIndex(at.vpn * PAGE_SIZE);
  if (!isOurs) throw entryError(mm, at, `has pfn ${pfn} of index ${index} of mapping ${raw.mapping[head]}`);
  if (vma.flags & VM.shared) return;
  if (at.table.lo(at.i) & Pte.write)
    throw entryError(mm, at, `of a private mapping may write to the file's pfn ${pfn}`);
}

function entryError(mm: Mm, at: { vpn: number; table: Table; i: number }, what: string): AssertionError {
  const text = entryText(at.table.lo(at.i));
  return new AssertionError(`mm ${mm.id}: ${text} entry at 0x${(at.vpn * PAGE_SIZE).toString(16)} ${what}`);
}

/** References that are not entries of page tables. */
function countCaches(memory: Memory, forEachRun: ProofScope['forEachRun'], expected: InvariantCounts): void {
  const { raw, zone } = memory.frames;
  for (const mapping of memory.mappings.values()) {
    const counts = new Map<number, number>();
    mapping.pages.forEach((pfn, index) => {
      if (pfn > 0) countCached(memory, mapping, { pfn, index, counts });
      if (pfn > 0) expected.refs[raw.head[pfn]!]!++;
      else expected.slotCounts.set(-1 - pfn, (expected.slotCounts.get(-1 - pfn) ?? 0) + 1);
    });
    for (const [head, count] of counts)
      if (count !== 1 << raw.order[head]!)
        throw new AssertionError(
          `mapping ${mapping.id} has ${count} of the ${1 << raw.order[head]!} pages of pfn ${head}`,
        );
    if (mapping.charged !== 0) throw new AssertionError(`mapping ${mapping.id}: ${mapping.charged} pages never came`);
  }
  const countFrame = (pfn: number): void => {
    const pins = raw.pincount[pfn]!;
    expected.refs[pfn]! += raw.order[pfn]! > 0 ? pins : pins * GUP_PIN_COUNTING_BIAS;
    if (raw.flags[pfn]! & PG.swapcache) expected.refs[pfn]! += 1 << raw.order[pfn]!;
    if (zone[pfn] === Zone.private) expected.refs[raw.zoneDeviceData[pfn]!]!++;
    if (raw.flags[pfn]! & PG.reserved) expected.refs[pfn]!++;
  };
  forEachRun((first, end) => {
    for (let pfn = first; pfn < end; pfn++) if (raw.refcount[pfn]! !== 0) countFrame(pfn);
  });
  for (const [pfn, count] of memory.pipePages) expected.refs[raw.head[pfn]!]! += count;
  if (memory.hugeZeroPfn !== 0) expected.refs[memory.hugeZeroPfn]!++;
}

/** A page of a file is at its index, and says so; of a large folio `counts` has how many there are. */
function countCached(
  { frames: { raw } }: Memory,
  { id, hugetlb }: AddressSpace,
  { pfn, index, counts }: { pfn: number; index: number; counts: Map<number, number> },
): void {
  const head = raw.head[pfn]!;
  if (raw.mapping[head] !== id || raw.index[head]! + (pfn - head) !== index || raw.flags[head]! & PG.anon)
    throw new AssertionError(`pfn ${pfn} is page ${index} of mapping ${id} and does not know it`);
  if (hugetlb === null && raw.order[head]! > 0) counts.set(head, (counts.get(head) ?? 0) + 1);
}

function checkFrame(memory: Memory, pfn: number, expected: InvariantCounts): void {
  const { raw, zone } = memory.frames;
  const flags = raw.flags[pfn]!;
  if (raw.head[pfn]! !== pfn) {
    if (expected.mapcount[pfn] !== raw.mapcount[pfn]!)
      throw frameError(memory, pfn, 'mapcount', expected.mapcount[pfn]!);
    checkTail(memory, pfn);
    return;
  }
  if (flags & PG.locked)
    throw new AssertionError(`pfn ${pfn} is locked, by task ${raw.lockOwner[pfn]!}, while no task runs`);
  if (expected.refs[pfn] !== raw.refcount[pfn]!) throw frameError(memory, pfn, 'refcount', expected.refs[pfn]!);
  if (expected.entire[pfn] !== raw.entireMapcount[pfn]!)
    throw frameError(memory, pfn, 'entireMapcount', expected.entire[pfn]!);
  let total = expected.entire[pfn]!;
  for (let i = 0; i < 1 << raw.order[pfn]!; i++) total += expected.mapcount[pfn + i]!;
  if (total !== raw.folioMapcount[pfn]!) throw frameError(memory, pfn, 'folioMapcount', total);
  if (expected.mapcount[pfn] !== raw.mapcount[pfn]!) throw frameError(memory, pfn, 'mapcount', expected.mapcount[pfn]!);
  checkShape(memory, pfn);
  if (flags & PG.lru && zone[pfn] !== Zone.system) throw new AssertionError(`device pfn ${pfn} is on the LRU`);
}

/** A large folio is aligned, and its tails name it; no other is mapped in part. */
function checkShape({ frames: { raw } }: Memory, head: number): void {
  const nr = 1 << raw.order[head]!;
  const flags = raw.flags[head]!;
  if (head % nr !== 0) throw new AssertionError(`pfn ${head} is the head of ${nr} pages and not aligned`);
  if (nr > 1 !== ((flags & PG.head) !== 0))
    throw new AssertionError(`pfn ${head} of ${nr} pages has a wrong head flag`);
  if (nr === 1 && flags & PG.partiallyMapped) throw new AssertionError(`pfn ${head} is one page and mapped in part`);
  for (let pfn = head + 1; pfn < head + nr; pfn++)
    if (raw.head[pfn] !== head) throw new AssertionError(`tail ${pfn} of pfn ${head} names pfn ${raw.head[pfn]}`);
}

/** All that a tail has is its flags and mappings: `Frames.prepareFolio` relies on it. */
function checkTail({ frames: { raw } }: Memory, pfn: number): void {
  const own =
    raw.refcount[pfn]! | raw.entireMapcount[pfn]! | raw.folioMapcount[pfn]! | raw.pincount[pfn]! | raw.mapping[pfn]!;
  const rest = raw.index[pfn]! | raw.order[pfn]! | raw.lockOwner[pfn]! | raw.zoneDeviceData[pfn]!;
  if ((own | rest) !== 0 || raw.swapSlot[pfn] !== -1)
    throw new AssertionError(`pfn ${pfn}, a tail of ${raw.head[pfn]}, has something of its own`);
}

function frameError(
  memory: Memory,
  pfn: number,
  field: 'refcount' | 'mapcount' | 'entireMapcount' | 'folioMapcount',
  expected: number,
): AssertionError {
  return new AssertionError(
    `pfn ${pfn}: ${field} is ${memory.frames.raw[field][pfn]}, but ${expected} can be accounted for`,
  );
}

function checkKernelObjects({ mms, kernelMemory }: Memory): void {
  let objects = 0;
  for (const mm of mms) for (const vma of mm.vmas) objects += 1 + vma.avcs.length;
  if (objects !== kernelMemory.taken.object)
    throw new AssertionError(`${objects} VMAs and links to anon_vmas exist, ${kernelMemory.taken.object} are counted`);
}

function checkFreeFrames(memory: Memory, usedFrames: number): void {
  const { frames, allocator } = memory;
  const used = usedFrames + memory.hugetlb.idleFrames;
  if (used - 1 + allocator.freeFrames !== frames.systemFrames - 2) {
    throw new AssertionError(
      `${used - 1} frames are in use and ${allocator.freeFrames} free, of ${frames.systemFrames - 2}`,
    );
  }
}

/** Frames of [first, end) that have references. */
export function usedFramesIn({ frames: { raw } }: Memory, first: number, end: number): number {
  let used = 0;
  for (let pfn = first; pfn < end; pfn++)
    if (raw.refcount[pfn]! > 0 && raw.head[pfn] === pfn) used += 1 << raw.order[pfn]!;
  return used;
}

/**
 * The cheap check after every ioctl, over the entries of [start, end) that it could touch: none is a migration entry,
 * every page is unlocked and has just the references that its own fields explain. Must run while no task is in the kernel.
 */
export function checkTouched(mm: Mm, start: number, end: number): void {
  const { frames } = mm.memory;
  const endVpn = end / PAGE_SIZE;
  for (let vpn = start / PAGE_SIZE; vpn < endVpn; ) {
    const leaf = mm.pageTable.pteTable(vpn);
    const next = Math.min(endVpn, (Math.floor(vpn / 512) + 1) * 512);
    if (leaf !== null) {
      const { rawEntries: entries } = leaf;
      for (let i = vpn % 512, n = i + (next - vpn); i < n; i++) {
        const lo = entries[2 * i]!;
        const kind = kindOf(lo);
        if (kind === Kind.none || kind === Kind.swap || lo & Pte.special) continue;
        const pfn = entries[2 * i + 1]!;
        if (kind === Kind.migration)
          throw new AssertionError(`a migration entry is left at vpn ${vpn + i - (vpn % 512)} (pfn ${pfn})`);
        checkOwnBooks(mm.memory, frames.head(pfn), kind);
      }
    }
    vpn = next;
  }
}

function checkOwnBooks(memory: Memory, head: number, kind: KindId): void {
  const { frames } = memory;
  const flags = frames.flags(head);
  if (frames.hasFlags(head, PG.locked))
    throw new AssertionError(`pfn ${head} is left locked by task ${frames.lockOwner(head)}`);
  if (!(flags & PG.anon) || kind === Kind.deviceExclusive) return;
  const pins = frames.pincount(head) * (frames.order(head) > 0 ? 1 : GUP_PIN_COUNTING_BIAS);
  const swapCache = flags & PG.swapcache ? frames.folioNrPages(head) : 0;
  const known = frames.folioMapcount(head) + pins + swapCache;
  if (frames.refcount(head) < known)
    throw new AssertionError(`pfn ${head} has ${frames.refcount(head)} references for ${known} users`);
}
