// What each ioctl does inside, step by step: locks in order (`?` = trylock), notifier events with their pages, entries and
// references/mappings of each page after every stage (`*`). Device 1's file listens too; it takes its mutex where device 0's
// passes over its own migrations.

import { describe, expect, it } from 'vitest';
import { MADV_HUGEPAGE } from '../../../../../uapi/mman.js';
import { EQUAL_PATHS, type PathName } from '../../../../../uapi/path-name.js';
import { BASE, Observed } from '../../observe.js';

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

describe('MIGRATE_TO_DEV', () => {
  it('collects in a walk of its own on the classic path', () => {
    expect(filled('classic').watchCommand('MIGRATE_TO_DEV')).toMatchInlineSnapshot(`
      "
      +mmap_lock
      notifier MIGRATE owner 0-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate
      walk collect 0-3
      +ptl (+folio?) x2 -ptl
      * collect: PTE 0-1 MIG-W, PTE 2 NONE; refs 1/0 1/0 -
      * setup: PTE 0-1 MIG-W, PTE 2 NONE; refs 1/0 1/0 -
      (+dev_lock -dev_lock +folio?) x3
      * copy: PTE 0-1 MIG-W, PTE 2 NONE; refs 1/0 1/0 -
      notifier MIGRATE owner 2-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      * pages: PTE 0-1 MIG-W, PTE 2 DPRIV-W; refs 1/0 1/0 2/1
      +dmirror_mutex -dmirror_mutex (+anon_vma +ptl -ptl -anon_vma -folio -folio) x2 -folio
      * finalize: PTE 0-2 DPRIV-W; refs 1/1 1/1 1/1
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 3 faults 0, PTE 0-2 DPRIV-W
      "
    `);
  });

  it('collects in the walk of hmm_range_fault on the unified path, with the same locks and events', () => {
    onBothPaths((path) => filled(path).watchCommand('MIGRATE_TO_DEV', { walks: false }));
    const unified = filled('unified').watchCommand('MIGRATE_TO_DEV');
    expect(unified).toContain('walk hmm-migrate 0-3\nnotifier MIGRATE owner 0-3');
  });

  it('unmaps a page of two processes with one CLEAR for each vma', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = new Observed(path, 1);
      o.store(0);
      o.call('fork');
      return o.watchCommand('MIGRATE_TO_DEV', { walks: false });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl +folio? -ptl
      * collect: PTE 0 MIG-R; refs 2/1
      +anon_vma
      notifier CLEAR 0-1
      +invalidate (+dmirror_mutex -dmirror_mutex) x2 -invalidate +ptl -ptl
      notifier CLEAR 0-1
      +ptl -ptl -anon_vma
      * setup: PTE 0 MIG-R; refs 1/0
      +dev_lock -dev_lock +folio?
      * copy: PTE 0 MIG-R; refs 1/0
      * pages: PTE 0 MIG-R; refs 1/0
      +dmirror_mutex -dmirror_mutex +anon_vma (+ptl -ptl) x2 -anon_vma (-folio) x2
      * finalize: PTE 0 DPRIV-R; refs 2/2
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 1 faults 0, PTE 0 DPRIV-R
      "
    `);
  });

  it('restores a page that somebody else refers to', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      const holder = o.process.addThread(o.machine.newPid());
      o.machine.start(holder, 'hold', ['reference', BASE, 4096]);
      o.machine.run();
      return o.watchCommand('MIGRATE_TO_DEV', { npages: 1, walks: false });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl +folio? -ptl
      * collect: PTE 0 MIG-W, PTE 1 PRESENT W, PTE 2 NONE; refs 2/0 1/1 -
      +anon_vma +ptl -ptl -anon_vma -folio
      * setup: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      * copy: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      * pages: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      +dmirror_mutex -dmirror_mutex
      * finalize: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = -2, PTE 0-1 PRESENT W, PTE 2 NONE
      "
    `);
  });

  it('passes over a locked page', () => {
    const run = (path: (typeof PATHS)[number]): string => {
      const o = filled(path);
      const holder = o.process.addThread(o.machine.newPid());
      o.machine.start(holder, 'hold', ['lock', BASE, 4096]);
      o.machine.run();
      return o.watchCommand('MIGRATE_TO_DEV', { npages: 1, walks: false });
    };
    expect(onBothPaths(run)).toMatchInlineSnapshot(`
      "
      +mmap_lock
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      * collect: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      * setup: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      * copy: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      * pages: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      +dmirror_mutex -dmirror_mutex
      * finalize: PTE 0-1 PRESENT W, PTE 2 NONE; refs 2/1 1/1 -
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = -2, PTE 0-1 PRESENT W, PTE 2 NONE
      "
    `);
  });
});

describe('MIGRATE_ON_FAULT_TO_DEV', () => {
  it('faults and then migrates on the classic path', () => {
    expect(filled('classic').watchCommand('MIGRATE_ON_FAULT_TO_DEV')).toMatchInlineSnapshot(`
      "
      +mmap_lock
      walk hmm 0-3
      notifier MIGRATE owner 0-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      fault read 2
      (+ptl -ptl) x2 +dmirror_mutex -dmirror_mutex
      notifier MIGRATE owner 0-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate
      walk collect 0-3
      +ptl (+folio?) x2 -ptl
      * collect: PTE 0-1 MIG-W, PTE 2 ZERO; refs 1/0 1/0 -
      * setup: PTE 0-1 MIG-W, PTE 2 ZERO; refs 1/0 1/0 -
      (+dev_lock -dev_lock +folio?) x3
      * copy: PTE 0-1 MIG-W, PTE 2 ZERO; refs 1/0 1/0 -
      notifier MIGRATE owner 2-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      * pages: PTE 0-1 MIG-W, PTE 2 DPRIV-W; refs 1/0 1/0 2/1
      +dmirror_mutex -dmirror_mutex (+anon_vma +ptl -ptl -anon_vma -folio -folio) x2 -folio
      * finalize: PTE 0-2 DPRIV-W; refs 1/1 1/1 1/1
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 3 faults 0, PTE 0-2 DPRIV-W
      "
    `);
  });

  it('does both in one walk on the unified path, and gives back what it has prepared before it faults', () => {
    expect(filled('unified').watchCommand('MIGRATE_ON_FAULT_TO_DEV')).toMatchInlineSnapshot(`
      "
      +mmap_lock
      walk hmm-migrate 0-3
      notifier MIGRATE owner 0-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl (+folio?) x2 -ptl (+anon_vma +ptl -ptl -anon_vma -folio) x2
      fault read 2
      +ptl -ptl +ptl (+folio?) x2 -ptl
      * collect: PTE 0-1 MIG-W, PTE 2 ZERO; refs 1/0 1/0 -
      (+dev_lock -dev_lock +folio?) x3
      * copy: PTE 0-1 MIG-W, PTE 2 ZERO; refs 1/0 1/0 -
      notifier MIGRATE owner 2-3
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      * pages: PTE 0-1 MIG-W, PTE 2 DPRIV-W; refs 1/0 1/0 2/1
      +dmirror_mutex -dmirror_mutex (+anon_vma +ptl -ptl -anon_vma -folio -folio) x2 -folio
      * finalize: PTE 0-2 DPRIV-W; refs 1/1 1/1 1/1
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 3 faults 0, PTE 0-2 DPRIV-W
      "
    `);
  });

  it('brings a page of the other device home first; its event makes the walk begin again', () => {
    const o = new Observed('unified', 1);
    o.store(0);
    o.command('MIGRATE_TO_DEV', { device: 1 });
    expect(o.watchCommand('MIGRATE_ON_FAULT_TO_DEV')).toMatchInlineSnapshot(`
      "
      +mmap_lock
      walk hmm-migrate 0-1
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      fault read 0
      +ptl -ptl
      walk hmm-migrate 0-1
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl +folio? -ptl
      * collect: PTE 0 MIG-W; refs 2/0
      * setup: PTE 0 MIG-W; refs 2/0
      +folio?
      * copy: PTE 0 MIG-W; refs 2/0
      * pages: PTE 0 MIG-W; refs 2/0
      +anon_vma +ptl -ptl -anon_vma (-folio) x2
      * finalize: PTE 0 PRESENT W; refs 1/1
      +dev_lock -dev_lock
      notifier MIGRATE owner 0-1
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl +folio? -ptl
      * collect: PTE 0 MIG-W; refs 1/0
      +dev_lock -dev_lock +folio?
      * copy: PTE 0 MIG-W; refs 1/0
      * pages: PTE 0 MIG-W; refs 1/0
      +dmirror_mutex -dmirror_mutex +anon_vma +ptl -ptl -anon_vma (-folio) x2
      * finalize: PTE 0 DPRIV-W; refs 1/1
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 1 faults 0, PTE 0 DPRIV-W
      "
    `);
  });

  it('splits a huge page before it prepares any part of it', () => {
    const o = new Observed('unified', 512);
    o.call('madvise', BASE, 512 * 4096, MADV_HUGEPAGE);
    o.store(0);
    const text = o.watchCommand('MIGRATE_ON_FAULT_TO_DEV', { npages: 2 });
    expect(text.replaceAll(/; refs .*/g, '')).toMatchInlineSnapshot(`
      "
      +mmap_lock
      walk hmm-migrate 0-2
      notifier MIGRATE owner 0-2
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl +folio? +anon_vma
      (notifier CLEAR 0-512 +invalidate +dmirror_mutex -dmirror_mutex +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl) x2
      +ptl -ptl -anon_vma -folio +ptl +folio? -ptl
      * collect: PTE 0 MIG-W, PTE 1-511 ZERO
      (+dev_lock -dev_lock +folio?) x2
      * copy: PTE 0 MIG-W, PTE 1-511 ZERO
      notifier MIGRATE owner 1-2
      +invalidate +dmirror_mutex -dmirror_mutex -invalidate +ptl -ptl
      * pages: PTE 0 MIG-W, PTE 1 DPRIV-W, PTE 2-511 ZERO
      +dmirror_mutex -dmirror_mutex +anon_vma +ptl -ptl -anon_vma (-folio) x3
      * finalize: PTE 0-1 DPRIV-W, PTE 2-511 ZERO
      -mmap_lock +dmirror_mutex -dmirror_mutex
      = 0 cpages 2 faults 0, PTE 0-1 DPRIV-W, PTE 2-511 ZERO
      "
    `);
  });
});
