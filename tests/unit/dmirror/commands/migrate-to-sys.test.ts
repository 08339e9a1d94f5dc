// What the way back and the commands that do not migrate do inside, step by step: locks in order (`?` = trylock), notifier events with their pages, entries and
// references/mappings of each page after every stage (`*`). Device 1's file listens too; it takes its mutex where device 0's
// passes over its own migrations.

import { describe, expect, it } from 'vitest';
import { MADV_PAGEOUT } from '../../../../uapi/mman.js';
import { EQUAL_PATHS, type PathName } from '../../../../uapi/path-name.js';
import { BASE, Observed } from '../observe.js';

/** Pages 0 and 1 written, page 2 never touched. */
function filled(path: PathName): Observed {
  const o = new Observed(path, 3);
  o.store(0, 2);
  return o;
}

/** On both paths, which must not differ. */
function onBothPaths(run: (path: PathName) => string): string {
  const classic = run('classic');
  expect(run('unified')).toBe(classic);
  return classic;
}

const PATHS = EQUAL_PATHS;

describe('the way back', () => {
  it('MIGRATE_TO_SYS takes all pages at once', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      o.command('MIGRATE_TO_DEV');
      return o.watchCommand('MIGRATE_TO_SYS', { walks: false });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      notifier MIGRATE owner 0-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl (+folio?) x3 -ptl
      * collect: PTE 0-2 MIG-W; refs 1/0 1/0 1/0
      * setup: PTE 0-2 MIG-W; refs 1/0 1/0 1/0
      (+folio?) x3
      * copy: PTE 0-2 MIG-W; refs 1/0 1/0 1/0
      * pages: PTE 0-2 MIG-W; refs 1/0 1/0 1/0
      (+anon_vma +ptl -ptl -anon_vma -folio +dev_lock -dev_lock -folio) x3
      * finalize: PTE 0-2 PRESENT W; refs 1/1 1/1 1/1
      -mmap_lock
      = 0 cpages 3 faults 0, PTE 0-2 PRESENT W
      "
    `);
  });

  it('a CPU fault takes one page, whose fault holds a second reference', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      o.command('MIGRATE_TO_DEV');
      return o.watch(() => o.call('load', BASE, 1), { walks: false });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      fault read 0
      +ptl -ptl
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl +folio? -ptl
      * collect: PTE 0 MIG-W, PTE 1-2 DPRIV-W; refs 2/0 1/1 1/1
      * setup: PTE 0 MIG-W, PTE 1-2 DPRIV-W; refs 2/0 1/1 1/1
      +folio?
      * copy: PTE 0 MIG-W, PTE 1-2 DPRIV-W; refs 2/0 1/1 1/1
      * pages: PTE 0 MIG-W, PTE 1-2 DPRIV-W; refs 2/0 1/1 1/1
      +anon_vma +ptl -ptl -anon_vma (-folio) x2
      * finalize: PTE 0 PRESENT W, PTE 1-2 DPRIV-W; refs 1/1 1/1 1/1
      +dev_lock -dev_lock -mmap_lock
      "
    `);
  });

  it('a close evicts by pfn, and tells the address space through the rmap', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = new Observed(path, 1);
      o.store(0);
      o.command('MIGRATE_TO_DEV');
      return o.watch(() => o.call('close', o.fds[0]!));
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +folio?
      * collect: PTE 0 DPRIV-W; refs 2/1
      +anon_vma
      notifier CLEAR 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl -anon_vma +folio?
      * copy: PTE 0 MIG-W; refs 1/0
      * pages: PTE 0 MIG-W; refs 1/0
      +anon_vma +ptl -ptl -anon_vma -folio +dev_lock -dev_lock -folio
      * finalize: PTE 0 PRESENT W; refs 1/1
      "
    `);
  });
});

describe('commands that do not migrate', () => {
  it('READ faults in what it lacks, then copies under the mutex', () => {
    expect(onBothPaths((path) => filled(path).watchCommand('READ'))).toMatchInlineSnapshot(`
      "
      +dmirror_mutex -dmirror_mutex +mmap_lock
      walk hmm 0-3
      +ptl -ptl
      fault read 2
      (+ptl -ptl) x2 -mmap_lock (+dmirror_mutex -dmirror_mutex) x2
      = 0 cpages 3 faults 1, PTE 0-1 PRESENT W, PTE 2 ZERO
      "
    `);
  });

  it('WRITE replaces a zero page, whose event makes it look again', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      o.command('READ');
      return o.watchCommand('WRITE');
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +dmirror_mutex -dmirror_mutex +mmap_lock
      walk hmm 2-3
      +ptl -ptl
      fault write 2
      +ptl -ptl
      notifier CLEAR 2-3
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl -mmap_lock +mmap_lock +ptl -ptl -mmap_lock (+dmirror_mutex -dmirror_mutex) x2
      = 0 cpages 3 faults 1, PTE 0-2 PRESENT W
      "
    `);
  });

  it('SNAPSHOT only walks', () => {
    expect(onBothPaths((path) => filled(path).watchCommand('SNAPSHOT'))).toMatchInlineSnapshot(`
      "
      +mmap_lock
      walk hmm 0-3
      +ptl -ptl -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 3 faults 0, PTE 0-1 PRESENT W, PTE 2 NONE
      "
    `);
  });

  it('EXCLUSIVE locks every page until all are mirrored', () => {
    expect(onBothPaths((path) => filled(path).watchCommand('EXCLUSIVE'))).toMatchInlineSnapshot(`
      "
      +mmap_lock (+ptl -ptl) x3
      fault write 2
      (+ptl -ptl) x2 +folio? +anon_vma
      notifier EXCLUSIVE 0-1
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl -anon_vma +folio? +anon_vma
      notifier EXCLUSIVE 1-2
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl -anon_vma +folio? +anon_vma
      notifier EXCLUSIVE 2-3
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl -anon_vma +dmirror_mutex -dmirror_mutex (-folio) x3 -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 3 faults 0, PTE 0-2 DEXCL-W
      "
    `);
  });

  it('a CPU access ends exclusivity under the page lock', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      o.command('EXCLUSIVE');
      return o.watch(() => o.call('store', BASE, new Uint8Array(1)));
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      fault write 0
      +folio
      notifier EXCLUSIVE 0-1
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl -folio -mmap_lock
      "
    `);
  });
});

describe('counted work (2 walks, 3 and 1)', () => {
  const swapped = (path: (typeof PATHS)[number]): Observed => {
    const o = new Observed(path, 8);
    o.store(0, 8);
    o.call('madvise', BASE, 8 * 4096, MADV_PAGEOUT);
    return o;
  };

  it('fault then migrate', () => {
    const o = swapped('classic');
    expect(o.work(() => o.command('MIGRATE_ON_FAULT_TO_DEV'))).toMatchInlineSnapshot(
      `"walks 2, resumptions 1, pteEntries 17, pmdEntries 3, remoteFaults 8, removeMigrationPtes 8"`,
    );
  });

  it('migrate, fault, migrate', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = swapped(path);
      return o.work(() => {
        for (const command of ['MIGRATE_TO_DEV', 'READ', 'MIGRATE_TO_DEV'] as const) o.command(command);
      });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(
      `"walks 3, resumptions 1, pteEntries 25, pmdEntries 4, remoteFaults 8, removeMigrationPtes 8"`,
    );
  });

  it('unified', () => {
    const o = swapped('unified');
    expect(o.work(() => o.command('MIGRATE_ON_FAULT_TO_DEV'))).toMatchInlineSnapshot(
      `"walks 1, resumptions 1, pteEntries 9, pmdEntries 2, remoteFaults 8, removeMigrationPtes 8"`,
    );
  });
});
