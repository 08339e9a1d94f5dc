import { backingPfn } from '../mm/frames/folio.js';
import { PG } from '../mm/frames/frames.js';
import type { Memory } from '../mm/memory.js';
import { KIND_MASK, Kind, Pte } from '../mm/tables/entry.js';
import type { Mm } from '../mm/vmas/mm.js';

const PAGE_SIZE = 4096;
/** Bytes of a page. Node's own type stays out of the package's types, which stand alone. */
export interface PageBytes extends Uint8Array {
  equals(other: Uint8Array): boolean;
}

export const ZERO_PAGE: PageBytes = Buffer.alloc(PAGE_SIZE);

/** The entry behind page `vpn` and its frame; null where no table is. */
export function entryOf(mm: Mm, vpn: number): { lo: number; pfn: number } | null {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return null;
  const i = Math.floor(vpn / 512) % 512;
  const leaf = pmd.child(i);
  if (leaf !== null) return { lo: leaf.lo(vpn % 512), pfn: leaf.hi(vpn % 512) };
  return { lo: pmd.lo(i), pfn: pmd.hi(i) + (vpn % 512) };
}

/**
 * The bytes that a program would see in page `vpn`, read without changing anything: through the entry, the device page's
 * backing page or the swap area. Null where that can't be said from outside.
 */
export function contentOf(mm: Mm, vpn: number): PageBytes | null {
  const vma = mm.vmaLookup(vpn * PAGE_SIZE);
  if (vma === null) return null;
  const entry = entryOf(mm, vpn);
  const kind = entry === null ? Kind.none : entry.lo & KIND_MASK;
  const { memory } = mm;
  if (kind === Kind.none) return vma.file === null ? ZERO_PAGE : null;
  if (kind === Kind.present && entry!.lo & Pte.special && !(entry!.lo & Pte.huge)) return ZERO_PAGE;
  if (kind === Kind.present || kind === Kind.devicePrivate || kind === Kind.deviceExclusive)
    return frameBytes(mm, backingPfn(memory, entry!.pfn));
  if (kind !== Kind.swap) return null;
  const cached = memory.swap.cachedPfn(entry!.pfn);
  if (cached !== 0) return memory.frames.hasFlags(cached, PG.uptodate) ? frameBytes(mm, cached) : null;
  const stored = memory.swap.peek(entry!.pfn);
  return stored === null ? null : Buffer.from(stored.buffer, stored.byteOffset, PAGE_SIZE);
}

/** Whether page `vpn` holds `data`; null where that can't be said. As `contentOf`, without an object for each page. */
export function holds(mm: Mm, vpn: number, data: PageBytes): boolean | null {
  const entry = entryOf(mm, vpn);
  const kind = entry === null ? Kind.none : entry.lo & KIND_MASK;
  const isPlain = kind === Kind.devicePrivate || (kind === Kind.present && (entry!.lo & Pte.special) === 0);
  if (!isPlain) {
    const seen = contentOf(mm, vpn);
    return seen === null ? null : data.equals(seen);
  }
  const at = backingPfn(mm.memory, entry!.pfn) * PAGE_SIZE;
  return wholeOf(mm.memory).compare(data, 0, PAGE_SIZE, at, at + PAGE_SIZE) === 0;
}

const wholes = new WeakMap<Memory, Buffer>();

/** All bytes of a machine as one buffer. */
function wholeOf(memory: Memory): Buffer {
  let whole = wholes.get(memory);
  if (whole === undefined) {
    whole = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
    wholes.set(memory, whole);
  }
  return whole;
}

function frameBytes(mm: Mm, pfn: number): Buffer {
  return wholeOf(mm.memory).subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE);
}

/** What a migration has to keep of page `vpn`: whether it is mapped, may be written, and is dirty; null without a page. */
export function rightsOf(mm: Mm, vpn: number): { write: boolean; dirty: boolean; kind: number } | null {
  const entry = entryOf(mm, vpn);
  if (entry === null) return null;
  const kind = entry.lo & KIND_MASK;
  if (entry.lo & (Pte.special | Pte.protnone)) return null;
  if (kind !== Kind.present && kind !== Kind.devicePrivate) return null;
  const { frames } = mm.memory;
  const dirty = (entry.lo & Pte.dirty) !== 0 || frames.hasFlags(frames.head(entry.pfn), PG.dirty);
  return { write: (entry.lo & Pte.write) !== 0, dirty, kind };
}
