import { AssertionError } from '../core/assert.js';
import { backingPfn } from '../mm/frames/folio.js';
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
  const { mirror, mm } = open[0]!;
  mirror.visit((vpn, pfn, tag) => checkMirrorEntry(mm, vpn, { pfn, tag }));
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

function checkMirrorEntry(mm: Mm, vpn: number, { pfn, tag }: { pfn: number; tag: MirrorTagId }): void {
  const found = lookup(mm, vpn);
  const where = `mirror entry of page 0x${vpn.toString(16)} (mm ${mm.id})`;
  if (found === null) throw new AssertionError(`${where} has pfn ${pfn}, but the CPU has no page there`);
  const expected = backingPfn(mm.memory, found.pfn);
  if (expected !== pfn && found.pfn !== pfn) {
    throw new AssertionError(`${where} has pfn ${pfn}, but the CPU's entry stands for ${expected}`);
  }
  const isExclusive = kindOf(found.lo) === Kind.deviceExclusive;
  if (isExclusive !== (tag === MirrorTag.atomic))
    throw new AssertionError(`${where} has tag ${tag}, which its entry denies`);
  if (tag === MirrorTag.write && !(found.lo & Pte.write))
    throw new AssertionError(`${where} is writable, the CPU's entry is not`);
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
