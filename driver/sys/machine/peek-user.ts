import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import { KIND_MASK, Kind, Pte } from '../../mm/tables/entry.js';
import { pmdIndex, pteIndex, TASK_SIZE } from '../../mm/tables/page-table.js';
import type { Mm } from '../../mm/vmas/mm.js';

/**
 * The `len` bytes at `addr` as the program would read them, for reports about it: nothing faults, waits or is marked as
 * accessed, so that who is watched does not notice. Null where that can't be told: no mapping, no right to read, or a page
 * in swap, on a device or under way.
 */
export function peekUser(mm: Mm, addr: number, len: number): Uint8Array | null {
  if (!(addr >= 0 && addr + len <= TASK_SIZE)) return null;
  const out = new Uint8Array(len);
  for (let done = 0; done < len; ) {
    const at = addr + done;
    const offset = at % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - offset, len - done);
    const pfn = framePeeked(mm, Math.floor(at / PAGE_SIZE));
    if (pfn === null) return null;
    const from = pfn * PAGE_SIZE + offset;
    if (pfn !== ZEROES) out.set(mm.memory.bytes.subarray(from, from + length), done);
    done += length;
  }
  return out;
}

/** Not a frame: memory that nobody has touched. */
const ZEROES = 0;

function framePeeked(mm: Mm, vpn: number): number | null {
  const pmd = mm.pageTable.pmdTable(vpn);
  const leaf = pmd?.child(pmdIndex(vpn)) ?? null;
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const lo = table?.lo(i) ?? Kind.none;
  if (lo !== Kind.none) {
    if ((lo & (KIND_MASK | Pte.protnone)) !== Kind.present) return null;
    return table!.hi(i) + (leaf === null ? vpn % HPAGE_PMD_NR : 0);
  }
  const vma = mm.vmaLookup(vpn * PAGE_SIZE);
  if (vma === null) return null;
  if (vma.file === null) return ZEROES;
  const page = vma.file.mapping?.pages.get(vma.linearPageIndex(vpn * PAGE_SIZE)) ?? -1;
  return page > 0 ? page : null;
}

/** The text up to the next NUL, as `peekUser`; at most `maxBytes`. */
export function peekString(mm: Mm, addr: number, maxBytes = PAGE_SIZE): string | null {
  let text = '';
  for (let at = addr; text.length < maxBytes; ) {
    const chunk = peekUser(mm, at, Math.min(64, PAGE_SIZE - (at % PAGE_SIZE)));
    if (chunk === null) return null;
    const end = chunk.indexOf(0);
    text += String.fromCharCode(...(end < 0 ? chunk : chunk.subarray(0, end)));
    if (end >= 0) return text;
    at += chunk.length;
  }
  return text;
}
