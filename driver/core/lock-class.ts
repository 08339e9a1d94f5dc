/**
 * Lock classes. The value is the position in the one lock order, outermost first: a task that waits for a lock may
 * hold only locks of smaller values (spec 8.1). Trylocks may be out of order, as they never wait.
 *
 *   0 gup_test_mutex            the long-term pin of gup_test
 *   1 mmap_lock                 one an address space, read or write
 *   2   hugetlb_lock            hugetlb fault mutex
 *   3   folio_lock              bit in struct page; trylock whenever a ptl or another folio lock is held
 *   4     devmem_lock           a device's chunk table: a migration that holds folio locks makes a new chunk under it,
 *                               and whoever empties chunks under it only tries folio locks
 *   5       rmap_lock           anon_vma root or i_mmap
 *   6         invalidate        pseudo lock around invalidate_range_start callbacks
 *   7           dmirror_mutex   one an open device file
 *   8             ptl           page table lock (spin)
 *   9               dev_lock    a device's free list (spin)
 *  10               lru_lock    LRU and swap map (spin)
 */
export const LockClass = {
  gupTestMutex: 0,
  mmapLock: 1,
  hugetlbLock: 2,
  folioLock: 3,
  devmemLock: 4,
  rmapLock: 5,
  invalidate: 6,
  dmirrorMutex: 7,
  ptl: 8,
  devLock: 9,
  lruLock: 10,
} as const;

/** One of the values of `LockClass`. */
export type LockClassId = (typeof LockClass)[keyof typeof LockClass];

/** Names for reports, by class value. */
export const LOCK_CLASS_NAMES: readonly string[] = [
  'gup_test_mutex',
  'mmap_lock',
  'hugetlb_lock',
  'folio_lock',
  'devmem_lock',
  'rmap_lock',
  'invalidate',
  'dmirror_mutex',
  'ptl',
  'dev_lock',
  'lru_lock',
];

/** Classes at and above this one are spin locks: their holder must not sleep. */
export const FIRST_SPIN_CLASS = LockClass.ptl;

export const LOCK_CLASS_COUNT = LOCK_CLASS_NAMES.length;
