import type { Coroutine } from '../core/effect.js';
import { FaultPoint } from '../core/fault-points.js';
import { Kind, kindOf, Pte } from '../mm/entry.js';
import { folioGet, folioPut, folioTrylock, folioUnlock } from '../mm/folio.js';
import { PAGE_SIZE } from '../mm/frames.js';
import { pmdIndex } from '../mm/page-table.js';
import { ptlLock, ptlUnlock } from '../mm/ptl.js';
import { splitFolio } from '../mm/thp-split-folio.js';
import { splitHugePmd } from '../mm/thp-split-pmd.js';
import type { Vma } from '../mm/vma.js';
import type { MigrateVma } from './migrate-vma.js';

/**
 * Splits the huge page mapped at `vpn`, for 6.12 migrates single pages only: the huge zero page's mapping becomes 512
 * zero entries, a folio becomes 512 folios. False when the folio is locked by somebody, referenced or pinned: then its
 * part of the range is left alone. Linux: mm/migrate_device.c:migrate_vma_collect_pmd(), its huge half
 */
export function* splitHugeToCollect(migrate: MigrateVma, vma: Vma, vpn: number): Coroutine<boolean> {
  const { mm } = vma;
  const { memory } = mm;
  ptlLock(mm);
  const pmd = mm.pageTable.pmdTable(vpn);
  const i = pmdIndex(vpn);
  const lo = pmd === null ? Kind.none : pmd.entries[2 * i]!;
  if (kindOf(lo) !== Kind.present) {
    ptlUnlock(mm);
    return true;
  }
  if (lo & Pte.special) {
    ptlUnlock(mm);
    yield* splitHugePmd(vma, vpn * PAGE_SIZE);
    return true;
  }
  const head = memory.frames.head[pmd!.entries[2 * i + 1]!]!;
  folioGet(memory, head);
  ptlUnlock(mm);
  const { faults } = memory.kernel;
  if ((faults.armed && faults.hit(FaultPoint.folioTrylock, vpn * PAGE_SIZE) !== 0) || !folioTrylock(memory, head)) {
    if (!migrate.leaksThpReference) folioPut(memory, head);
    return false;
  }
  const error = yield* splitFolio(memory, head);
  folioUnlock(memory, head);
  folioPut(memory, head);
  return error === 0;
}
