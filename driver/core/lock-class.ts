/**
 * THE lock order, outermost first: a task that waits for a lock may hold only locks that stand before it. Trylocks may be
 * out of order, as they never wait. Ids, names and the tree in ARCHITECTURE.md are made from this list.
 */
const LOCKS = {
  gupTestMutex: ['gup_test_mutex', 'the long-term pin of gup_test'],
  pipeMutex: ['pipe_mutex', 'one a pipe'],
  mmapLock: ['mmap_lock', 'one an address space, read or write'],
  hugetlbLock: ['hugetlb_lock', 'hugetlb fault mutex'],
  folioLock: ['folio_lock', 'a bit of struct page; only tried whenever a ptl or another folio lock is held'],
  // A migration that holds folio locks makes a new chunk under it, and whoever empties chunks under it only tries folio locks.
  devmemLock: ['devmem_lock', "a device's chunk table"],
  rmapLock: ['rmap_lock', 'anon_vma root or i_mmap'],
  invalidate: ['invalidate', 'pseudo lock around invalidate_range_start callbacks'],
  dmirrorMutex: ['dmirror_mutex', 'one an open device file'],
  ptl: ['ptl', 'page table lock (spin)'],
  devLock: ['dev_lock', "a device's free list (spin)"],
  lruLock: ['lru_lock', 'LRU and swap map (spin)'],
} as const;

type LockName = keyof typeof LOCKS;

/** The place of a lock in the order. */
export type LockClassId = number;

/** The place of each lock in the order. */
export const LockClass = Object.fromEntries(Object.keys(LOCKS).map((name, place) => [name, place])) as Readonly<
  Record<LockName, LockClassId>
>;

/** Names for reports, by class value. */
export const LOCK_CLASS_NAMES: readonly string[] = Object.values(LOCKS).map(([name]) => name);

/** Classes at and above this one are spin locks: their holder must not sleep. */
export const FIRST_SPIN_CLASS = LockClass.ptl;

export const LOCK_CLASS_COUNT = LOCK_CLASS_NAMES.length;

/** The order as a tree: each lock stands inside those above it. */
export function lockTreeText(): string {
  const width = Math.max(...LOCK_CLASS_NAMES.map((name, depth) => 2 * depth + name.length)) + 3;
  return Object.values(LOCKS)
    .map(([name, what], depth) => `${'  '.repeat(depth)}${name}`.padEnd(width) + what)
    .join('\n');
}
