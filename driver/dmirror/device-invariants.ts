import { AssertionError } from '../core/assert.js';
import { backingPfn } from '../mm/frames/folio.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { Kind, kindOf, Pte } from '../mm/tables/entry.js';
import { PAGES_PER_PMD_ENTRY, pmdIndex, pteIndex } from '../mm/tables/page-table.js';
import type { Mm } from '../mm/vmas/mm.js';
import type { DmirrorFile } from './file.js';
import type { DmirrorDevice } from './memory/device.js';
import { MirrorTag, type MirrorTagId } from './mirror/mirror.js';

/**
 * Proves a device's books: free list + in use = capacity, pages in use have references, and each mirror entry points
 * where the CPU's entry points. The last is promised only while one file of the device is open: of several, those that
 * did not run a migration are not told of it (Q2). Throws an AssertionError. Must run while no task is in the kernel.
 */
export function checkDeviceInvariants(device: DmirrorDevice, files: readonly DmirrorFile[]): void {
  checkChunks(device);
  const open = files.filter((file) => file.device === device && file.notifier !== null);
  if (open.length !== 1 || open[0]!.mm.users === 0) return;
  const { mirror, mm, passedOver } = open[0]!;
  mirror.visit((vpn, pfn, tag) => {
    const wrong = wrongEntry(mm, vpn, { pfn, tag });
    if (wrong === null) return;
    const { start = 0, end = 0, doing = '' } = passedOver ?? {};
    const isPassed = vpn * PAGE_SIZE >= start && vpn * PAGE_SIZE < end;
    const why = isPassed
      ? `; the file passed over the CLEAR of 0x${start.toString(16)}-0x${end.toString(16)} in ${doing}`
      : '';
    throw new AssertionError(`mirror entry of page 0x${vpn.toString(16)} (mm ${mm.id}) ${wrong}${why}`);
  });
}

function checkChunks(device: DmirrorDevice): void {
  const { frames } = device.memory;
  let capacity = 0;
  let inUse = 0;
  for (const chunk of device.chunks) {
    let counted = 0;
    for (let pfn = chunk.freshEnd; pfn < chunk.endPfn; pfn++)
      if (frames.refcount(pfn) !== 0) counted += frames.folioNrPages(pfn);
    if (counted !== chunk.inUse) {
      throw new AssertionError(
        `device ${device.minor}: ${counted} pages of a chunk are in use, ${chunk.inUse} are counted`,
      );
    }
    capacity += chunk.pagemap.npages;
    inUse += counted;
  }
  const free = device.countFree();
  if (free + inUse !== capacity) {
    throw new AssertionError(`device ${device.minor}: ${free} free and ${inUse} used pages, but ${capacity} in all`);
  }
}

/** What is not true of a mirror entry, null when all is. */
function wrongEntry(mm: Mm, vpn: number, { pfn, tag }: { pfn: number; tag: MirrorTagId }): string | null {
  const found = lookup(mm, vpn);
  if (found === null) return `has pfn ${pfn}, but the CPU has no page there`;
  const expected = backingPfn(mm.memory, found.pfn);
  if (expected !== pfn && found.pfn !== pfn) return `has pfn ${pfn}, but the CPU's entry stands for ${expected}`;
  const isExclusive = kindOf(found.lo) === Kind.deviceExclusive;
  if (isExclusive !== (tag === MirrorTag.atomic)) return `has tag ${tag}, which its entry denies`;
  return tag === MirrorTag.write && !(found.lo & Pte.write) ? "is writable, the CPU's entry is not" : null;
}

/** The entry that gives page `vpn` a frame, and that frame. */
function lookup(mm: Mm, vpn: number): { lo: number; pfn: number } | null {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return null;
  const leaf = pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const lo = table.lo(i);
  const kind = kindOf(lo);
  if (kind !== Kind.present && kind !== Kind.devicePrivate && kind !== Kind.deviceExclusive) return null;
  return { lo, pfn: table.hi(i) + (leaf === null ? vpn % PAGES_PER_PMD_ENTRY : 0) };
}
