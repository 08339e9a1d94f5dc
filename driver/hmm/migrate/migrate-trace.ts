import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { MigrateStage } from '../../trace/trace-event.js';
import type { MigrateArrays } from './migrate-unmap.js';
import { MigratePfn } from './migrate-vma.js';

/** Reports the end of a step of a migration, with the pages that (still) migrate; after the copy, those that have a place to go to. */
export function migrateStageDone(memory: Memory, stage: MigrateStage, arrays: MigrateArrays): void {
  const { src, srcPfn, dstPfn, npages, start = 0 } = arrays;
  let pages = 0;
  let pfn = 0;
  for (let i = 0; i < npages; i++) {
    if (pfn === 0) pfn = srcPfn[i]!;
    if ((src[i]! & MigratePfn.migrate) === 0 || (stage === 'copy' && dstPfn[i] === 0)) continue;
    pages += src[i]! & MigratePfn.compound ? HPAGE_PMD_NR : 1;
  }
  const end = start === 0 ? 0 : start + npages * PAGE_SIZE;
  memory.kernel.emit('migrate', { stage, start, end, pfn, pages, npages });
}
