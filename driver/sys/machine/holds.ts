import type { Coroutine } from '../../core/effect.js';
import {
  MigratePfn,
  MigrateSelect,
  MigrateVma,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
  migrationPath,
} from '../../hmm/index.js';
import { folioGet, folioPut, folioTrylock, folioUnlock } from '../../mm/frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import { pfnAt } from '../../mm/tables/page-table-text.js';
import type { Mm } from '../../mm/vmas/mm.js';

export type HoldName = 'lock' | 'reference' | 'migration';

/** Takes hold of the pages of a range and answers how to let go; null when a page can't be held, with nothing held. */
type Hold = (mm: Mm, range: { start: number; end: number }) => Coroutine<(() => Coroutine<void>) | null>;

/** The ways in which somebody else can stand in a migration's way. The caller holds the mmap_lock for read throughout. */
export const HOLDS: Readonly<Record<HoldName, Hold>> = {
  /** As one does who writes the page back. */
  lock: (mm, range) =>
    holdPages(mm, range, {
      take: (pfn) => folioTrylock(mm.memory, pfn),
      drop: (pfn) => folioUnlock(mm.memory, pfn),
    }),
  /** As get_user_pages without a pin. */
  reference: (mm, range) => holdPages(mm, range, { take: () => true, drop: () => {} }),
  migration: holdMigration,
};

function* holdPages(
  mm: Mm,
  { start, end }: { start: number; end: number },
  { take, drop }: { take(pfn: number): boolean; drop(pfn: number): void },
): Coroutine<(() => Coroutine<void>) | null> {
  const held: number[] = [];
  const letGo = (): void => {
    for (const pfn of held.splice(0)) {
      drop(pfn);
      folioPut(mm.memory, pfn);
    }
  };
  for (let addr = start; addr < end; addr += PAGE_SIZE) {
    const pfn = pfnAt(mm, addr / PAGE_SIZE);
    if (pfn === 0 || !take(pfn)) {
      letGo();
      return null;
    }
    folioGet(mm.memory, pfn);
    held.push(pfn);
  }
  return function* () {
    letGo();
  };
}

/** A migration between setup and pages, of huge pages as one where devices have such, that in the end leaves every page where it was. */
function* holdMigration(
  mm: Mm,
  { start, end }: { start: number; end: number },
): Coroutine<(() => Coroutine<void>) | null> {
  const migrate = new MigrateVma((end - start) / PAGE_SIZE, migrationPath('classic'));
  const flags = MigrateSelect.system | (mm.memory.profile.deviceThp ? MigrateSelect.compound : 0);
  migrate.request({ vma: mm.vmaLookup(start), start, end, flags, pgmapOwner: null });
  if ((yield* migrateVmaSetup(migrate)) !== 0) return null;
  const letGo = function* (): Coroutine<void> {
    yield* migrateVmaPages(migrate);
    yield* migrateVmaFinalize(migrate);
  };
  if (isWhole(migrate)) return letGo;
  yield* letGo();
  return null;
}

/** Was every page collected? */
function isWhole({ src, npages }: MigrateVma): boolean {
  let at = 0;
  while (at < npages && src[at]! & MigratePfn.migrate) at += src[at]! & MigratePfn.compound ? HPAGE_PMD_NR : 1;
  return at === npages;
}
