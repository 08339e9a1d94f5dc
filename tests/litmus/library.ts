// The shipped litmus tests, made from tables: a range of two pages in some state, and two or three calls that race over it. What may
// come of them is explored and never written here.

/** One test in the language of recordings; `profile` where it is not for every kernel. */
export interface LibraryTest {
  readonly name: string;
  readonly setup: readonly string[];
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
  readonly profile?: '7.3';
  /** Patterns of outcomes, as in a file. */
  readonly conditions: {
    readonly forbid: readonly string[];
    readonly require: readonly string[];
    readonly allow: readonly string[];
  };
}

const SERVED = ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 missing'];
const MOVABLE = ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'map 0 1 0 2 anon rw', 'uffd 0 1 0 2 missing'];

/** How the range is before the race; devices 0 and 1 are open. */
const STATES = {
  fresh: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10'],
  hole: ['map 0 0 0 2 anon rw'],
  half: ['map 0 0 0 2 anon rw', 'store 0 0 1 1 0x11'],
  zero: ['map 0 0 0 2 anon rw', 'load 0 0 0 2'],
  shm: ['map 0 0 0 2 shared rw', 'store 0 0 0 2 0x10'],
  thp: ['map 0 0 0 512 anon rw', 'advise 0 0 0 512 HUGEPAGE', 'store 0 0 0 2 0x10'],
  cow: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'fork 0 1'],
  swap: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 2 PAGEOUT'],
  dev: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  foreign: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 1 MIGRATE_TO_DEV 0 0 2'],
  exclusive: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 0 EXCLUSIVE 0 0 2'],
  // The second page alone: what comes before it is prepared when it needs a fault.
  held1: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 1 MIGRATE_TO_DEV 0 1 1'],
  own1: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 0 MIGRATE_TO_DEV 0 1 1'],
  swap1: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'advise 0 0 1 1 PAGEOUT'],
  ex1: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 1 EXCLUSIVE 0 1 1'],
  ex0: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'dm 0 0 EXCLUSIVE 0 0 1'],
  cowHeld1: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'fork 0 1', 'dm 0 1 MIGRATE_TO_DEV 0 1 1'],
  // Of four pages, so that two calls can have parts of their own.
  wide: ['map 0 0 0 4 anon rw', 'store 0 0 0 4 0x10', 'advise 0 0 1 1 PAGEOUT'],
  wideHeld: ['map 0 0 0 4 anon rw', 'store 0 0 0 4 0x10', 'dm 0 1 MIGRATE_TO_DEV 0 1 1'],
  // Shared memory, whose second page the first task has not mapped.
  shmHalf: ['map 0 0 0 2 shared rw', 'store 0 0 0 2 0x10', 'advise 0 0 1 1 DONTNEED'],
  shm0: ['map 0 0 0 2 shared rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 1 DONTNEED'],
  // Twice in one address space, the first time without entries.
  alias: ['map 0 0 0 2 shared rw', 'store 0 0 0 2 0x10', 'remap 0 0 0 2 1 0 1'],
  filep: ['map 0 0 0 2 filep rw', 'store 0 0 0 2 0x10'],
  // 2 MiB with two small pages, for khugepaged or MADV_COLLAPSE to make one of.
  small: ['map 0 0 0 512 anon rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 512 HUGEPAGE'],
  smallDev: ['map 0 0 0 512 anon rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 512 HUGEPAGE', 'dm 0 0 MIGRATE_TO_DEV 0 0 1'],
  // A folio of 16 KiB, which a migration of 6.12 leaves and one of 7.3 splits, or where one is to be.
  folio: ['thpsize 0 16 always', 'map 0 0 0 4 anon rw', 'store 0 0 0 2 0x10'],
  folioSplit: ['thpsize 0 16 always', 'map 0 0 0 4 anon rw', 'store 0 0 0 2 0x10'],
  folioHole: ['thpsize 0 16 always', 'map 0 0 0 4 anon rw'],
  // What a userfaultfd serves or tracks, and what /proc shows of writes; descriptors are opened before the race.
  tracked: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 wpasync', 'scan 0 0 0 2'],
  trackedDev: [
    'map 0 0 0 2 anon rw',
    'store 0 0 0 2 0x10',
    'uffd 0 0 0 2 wpasync',
    'scan 0 0 0 2',
    'dm 0 0 MIGRATE_TO_DEV 0 0 2',
  ],
  guarded: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 wp', 'wp 0 0 0 2 1'],
  guardedDev: [
    'map 0 0 0 2 anon rw',
    'store 0 0 0 2 0x10',
    'uffd 0 0 0 2 wp',
    'wp 0 0 0 2 1',
    'dm 0 0 MIGRATE_TO_DEV 0 0 2',
  ],
  missing: ['map 0 0 0 2 anon rw', 'uffd 0 0 0 2 missing'],
  minor: ['map 0 0 0 2 shared rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 2 DONTNEED', 'uffd 0 0 0 2 minor'],
  movable: MOVABLE,
  soft: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'clearrefs 0'],
  softDev: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'clearrefs 0', 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  read: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'vmread 0 0 0 2'],
  readDev: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'vmread 0 0 0 2', 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  // The same where a device has the pages, or exclusive access to them.
  servedDev: [...SERVED, 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  servedEx: [...SERVED, 'dm 0 0 EXCLUSIVE 0 0 2'],
  minorDev: ['map 0 0 0 2 filep rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 minor', 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  minorEx: ['map 0 0 0 2 filep rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 minor', 'dm 0 0 EXCLUSIVE 0 0 2'],
  movableDev: [...MOVABLE, 'dm 0 0 MIGRATE_TO_DEV 0 0 2'],
  movableEx: [...MOVABLE, 'dm 0 0 EXCLUSIVE 0 0 2'],
  trackedEx: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'uffd 0 0 0 2 wpasync', 'dm 0 0 EXCLUSIVE 0 0 2'],
  softEx: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'clearrefs 0', 'dm 0 0 EXCLUSIVE 0 0 2'],
  smallEx: ['map 0 0 0 512 anon rw', 'store 0 0 0 2 0x10', 'advise 0 0 0 512 HUGEPAGE', 'dm 0 0 EXCLUSIVE 0 0 1'],
  pinned: ['map 0 0 0 2 anon rw', 'store 0 0 0 2 0x10', 'pin 0 0 1 1 1'],
  huge: ['map 0 0 0 512 anon rw', 'advise 0 0 0 512 HUGEPAGE', 'store 0 0 0 2 0x10'],
  hugeDev: [
    'map 0 0 0 512 anon rw',
    'advise 0 0 0 512 HUGEPAGE',
    'store 0 0 0 2 0x10',
    'dm 0 0 MIGRATE_TO_DEV 0 0 512',
  ],
} as const;
type State = keyof typeof STATES;

/** What a thread does, by the name that it has in tests. */
const ACTIONS = {
  // Calls of the mm.
  unmap: 'unmap 0 0 0 2',
  unmap0: 'unmap 0 0 0 1',
  unmap1: 'unmap 0 0 1 1',
  dontneed: 'advise 0 0 0 2 DONTNEED',
  dontneed0: 'advise 0 0 0 1 DONTNEED',
  dontneed1: 'advise 0 0 1 1 DONTNEED',
  remap: 'remap 0 0 0 2 1 0 0',
  mapover: 'mapover 0 0 0 2 anon rw',
  fork: 'fork 0 1',
  prot_none: 'protect 0 0 0 2 -',
  prot_r: 'protect 0 0 0 2 r',
  remove: 'advise 0 0 0 2 REMOVE',
  pageout: 'advise 0 0 0 2 PAGEOUT',
  populate: 'advise 0 0 0 2 POPULATE_WRITE',
  load: 'load 0 0 0 2',
  store: 'store 0 0 0 2 0x20',
  pin: 'pin 0 0 0 2 1',
  unpin: 'unpin 0',
  gup: 'gup 0 0 0 2 2 1 1',
  khugepaged: 'khugepaged 0',
  collapse: 'advise 0 0 0 512 COLLAPSE',
  unguard: 'wp 0 0 0 2 0',
  guard: 'wp 0 0 0 2 1',
  scan: 'scan 0 0 0 2',
  clearrefs: 'clearrefs 0',
  vmread: 'vmread 0 0 0 2',
  vmwrite: 'vmwrite 0 0 0 2 0x70',
  ucopy: 'ucopy 0 0 0 2 0x60',
  uzero: 'uzero 0 0 0 2',
  upoison: 'upoison 0 0 0 2',
  ucontinue: 'ucontinue 0 0 0 2',
  umove: 'umove 0 0 0 2 1 0',
  childexit: 'exit 1',
  childstore: 'store 1 0 0 2 0x30',
  // Commands of the devices: the number is that of the device.
  mig: 'dm 0 0 MIGRATE_TO_DEV 0 0 2',
  mig1: 'dm 0 1 MIGRATE_TO_DEV 0 0 2',
  migFirst: 'dm 0 0 MIGRATE_TO_DEV 0 0 1',
  migSecond: 'dm 0 0 MIGRATE_TO_DEV 0 1 1',
  onf: 'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2',
  onf1: 'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 0 2',
  migFirst1: 'dm 0 1 MIGRATE_TO_DEV 0 0 1',
  onfWide: 'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 4',
  onfWide1: 'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 0 4',
  onfTail1: 'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 2 2',
  onfSecond: 'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 1 1',
  onfFirst1: 'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 0 1',
  onfAlias: 'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 1 0 1',
  onfInner1: 'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 1 1',
  sys: 'dm 0 0 MIGRATE_TO_SYS 0 0 2',
  sys1: 'dm 0 1 MIGRATE_TO_SYS 0 0 2',
  sysFirst: 'dm 0 0 MIGRATE_TO_SYS 0 0 1',
  excl: 'dm 0 0 EXCLUSIVE 0 0 2',
  excl1: 'dm 0 1 EXCLUSIVE 0 0 2',
  read: 'dm 0 0 READ 0 0 2',
  read1: 'dm 0 1 READ 0 0 2',
  write: 'dm 0 0 WRITE 0 0 2 0x40',
  write1: 'dm 0 1 WRITE 0 0 2 0x50',
  snap: 'dm 0 0 SNAPSHOT 0 0 2',
  release: 'dm 0 0 RELEASE 0 0 2',
  release1: 'dm 0 1 RELEASE 0 0 2',
  // The second file of device 0.
  onf4: 'dm 0 4 MIGRATE_ON_FAULT_TO_DEV 0 0 2',
  close0: 'close 0 0',
  close1: 'close 0 1',
  migAll: 'dm 0 0 MIGRATE_TO_DEV 0 0 512',
  sysAll: 'dm 0 0 MIGRATE_TO_SYS 0 0 512',
} as const;
type Action = keyof typeof ACTIONS;

const MM_CALLS: readonly Action[] = [
  'unmap',
  'unmap1',
  'dontneed',
  'dontneed1',
  'remap',
  'mapover',
  'fork',
  'prot_none',
  'prot_r',
  'pageout',
  'load',
  'store',
];

/** What can come in the way of a migration on fault: every call of the mm, and every command of either device. */
const BESIDE_ON_FAULT: readonly Action[] = [
  ...MM_CALLS,
  'dontneed0',
  'unmap0',
  'pin',
  'gup',
  'mig',
  'mig1',
  'migFirst1',
  'sys',
  'onf',
  'onf1',
  'excl',
  'excl1',
  'read1',
  'write1',
  'snap',
  'release',
  'close0',
  'close1',
];

/** Each of these against each of those, over a range in that state. */
interface Pairs {
  readonly state: State;
  readonly first: Action;
  readonly against: readonly Action[];
  readonly profile?: '7.3';
}

const PAIRS: readonly Pairs[] = [
  // Migration against the mm, against itself, and against other commands.
  { state: 'fresh', first: 'mig', against: [...MM_CALLS, 'pin', 'gup', 'mig', 'mig1', 'migSecond', 'sys', 'release'] },
  { state: 'fresh', first: 'mig', against: ['excl', 'excl1', 'write1', 'snap', 'close0', 'close1'] },
  { state: 'hole', first: 'mig', against: ['load', 'store', 'populate', 'dontneed', 'unmap', 'mig1'] },
  { state: 'zero', first: 'mig', against: ['load', 'store', 'dontneed', 'mig1'] },
  { state: 'shm', first: 'mig', against: ['store', 'dontneed', 'unmap'] },
  { state: 'thp', first: 'mig', against: ['store', 'dontneed', 'mig1', 'fork'] },
  { state: 'cow', first: 'mig', against: ['childexit', 'store', 'dontneed', 'mig1'] },
  { state: 'pinned', first: 'mig', against: ['unpin', 'store'] },
  {
    state: 'dev',
    first: 'sys',
    against: [...MM_CALLS, 'sys', 'mig', 'mig1', 'excl1', 'read1', 'snap', 'close0', 'release'],
  },
  // Migrate on fault against each.
  ...(['fresh', 'half', 'held1', 'own1', 'swap1', 'ex1'] as const).map(
    (state): Pairs => ({ state, first: 'onf', against: BESIDE_ON_FAULT }),
  ),
  { state: 'cowHeld1', first: 'onf', against: ['dontneed0', 'unmap0', 'store', 'childstore', 'childexit', 'onf1'] },
  { state: 'pinned', first: 'onf', against: ['unpin', 'store', 'dontneed', 'fork', 'onf1'] },
  { state: 'wide', first: 'onfWide', against: ['dontneed0', 'onfWide1', 'onfTail1', 'onfInner1', 'migFirst1'] },
  { state: 'wideHeld', first: 'onfWide', against: ['dontneed0', 'onfWide1', 'onfTail1', 'onfInner1', 'migFirst1'] },
  { state: 'hole', first: 'onf', against: ['load', 'store', 'populate', 'dontneed', 'unmap', 'remap', 'onf', 'onf1'] },
  { state: 'swap', first: 'onf', against: ['load', 'dontneed', 'unmap', 'fork', 'onf1'] },
  { state: 'foreign', first: 'onf', against: ['load', 'store', 'dontneed', 'onf1', 'fork', 'close1'] },
  { state: 'exclusive', first: 'onf', against: ['load', 'store', 'dontneed', 'excl1', 'fork'] },
  { state: 'held1', first: 'onf', against: ['populate', 'sys1', 'read', 'write', 'release1', 'onf4'] },
  {
    state: 'shmHalf',
    first: 'onf',
    against: ['load', 'dontneed', 'dontneed0', 'unmap0', 'remove', 'pageout', 'onf', 'onf1', 'mig1', 'excl1', 'fork'],
  },
  { state: 'filep', first: 'onf', against: ['dontneed', 'dontneed0'] },
  // One page each, which is soon explored whole.
  { state: 'shm0', first: 'onfSecond', against: ['onf1'] },
  { state: 'ex0', first: 'onfSecond', against: ['onf4'] },
  { state: 'alias', first: 'onfAlias', against: ['onfFirst1'] },
  { state: 'thp', first: 'onf', against: ['store', 'dontneed', 'onf1'] },
  { state: 'cow', first: 'onf', against: ['childexit', 'store', 'dontneed'] },
  // Exclusive, read and write.
  { state: 'fresh', first: 'excl', against: [...MM_CALLS, 'excl', 'excl1', 'read1', 'write', 'write1'] },
  {
    state: 'fresh',
    first: 'read',
    against: ['unmap', 'dontneed', 'store', 'prot_none', 'remap', 'fork', 'pageout', 'mig1'],
  },
  {
    state: 'fresh',
    first: 'write',
    against: ['unmap', 'dontneed', 'store', 'prot_r', 'remap', 'fork', 'pageout', 'write1'],
  },
  { state: 'hole', first: 'write', against: ['load', 'store', 'mig1'] },
  // CPU accesses that fault, in pairs and against each.
  {
    state: 'dev',
    first: 'load',
    against: ['load', 'store', 'mig', 'mig1', 'excl1', 'read1', 'unmap', 'remap', 'fork', 'close0'],
  },
  { state: 'dev', first: 'store', against: ['store', 'dontneed', 'sysFirst', 'onf1'] },
  { state: 'exclusive', first: 'load', against: ['load', 'store', 'dontneed', 'remap', 'fork', 'close0'] },
  { state: 'swap', first: 'load', against: ['load', 'store', 'mig', 'dontneed'] },
  { state: 'cow', first: 'store', against: ['read', 'childexit', 'excl'] },
  // Khugepaged and MADV_COLLAPSE against migration, of pages that are here, and of one that is on the device.
  { state: 'small', first: 'khugepaged', against: ['mig', 'excl', 'store', 'dontneed', 'read1', 'collapse'] },
  { state: 'smallDev', first: 'khugepaged', against: ['sysFirst', 'mig1', 'store'] },
  { state: 'smallDev', first: 'collapse', against: ['mig1', 'load'] },
  // A folio of 16 KiB that is faulted in, shared, split and left by a migration.
  { state: 'folioHole', first: 'store', against: ['store', 'dontneed1', 'unmap1', 'fork', 'mig'] },
  { state: 'folio', first: 'mig', against: ['store', 'dontneed1', 'unmap1', 'fork'] },
  { state: 'folio', first: 'pageout', against: ['fork', 'dontneed1'] },
  { state: 'folioSplit', first: 'mig', against: ['dontneed1', 'fork'], profile: '7.3' },
  // userfaultfd, PAGEMAP_SCAN, soft-dirty and /proc/PID/mem against migration, and against who writes.
  { state: 'tracked', first: 'scan', against: ['store', 'mig', 'excl', 'dontneed', 'pageout', 'scan'] },
  { state: 'trackedDev', first: 'scan', against: ['sys', 'load', 'store'] },
  { state: 'guarded', first: 'unguard', against: ['store', 'mig', 'excl', 'pageout'] },
  { state: 'guardedDev', first: 'unguard', against: ['sys', 'load', 'guard'] },
  { state: 'missing', first: 'ucopy', against: ['load', 'store', 'mig', 'read1', 'ucopy'] },
  { state: 'minor', first: 'ucontinue', against: ['load', 'mig', 'ucontinue'] },
  { state: 'movable', first: 'umove', against: ['mig', 'excl', 'pin', 'store', 'pageout'] },
  { state: 'soft', first: 'clearrefs', against: ['store', 'mig', 'excl', 'pageout'] },
  { state: 'softDev', first: 'clearrefs', against: ['sys', 'store', 'mig1'] },
  { state: 'read', first: 'vmread', against: ['mig', 'excl', 'dontneed', 'unmap'] },
  { state: 'readDev', first: 'vmread', against: ['sys', 'load', 'mig1'] },
  // The same at entries of a device, which go while they are looked at.
  { state: 'servedDev', first: 'ucopy', against: ['sys', 'mig1'] },
  { state: 'servedDev', first: 'uzero', against: ['sys', 'mig1'] },
  { state: 'servedDev', first: 'upoison', against: ['sys', 'mig1'] },
  { state: 'servedEx', first: 'ucopy', against: ['load', 'mig'] },
  { state: 'servedEx', first: 'uzero', against: ['load', 'mig'] },
  { state: 'servedEx', first: 'upoison', against: ['load', 'mig'] },
  { state: 'minorDev', first: 'ucontinue', against: ['sys', 'mig1'] },
  { state: 'minorEx', first: 'ucontinue', against: ['load', 'mig'] },
  { state: 'movableDev', first: 'umove', against: ['sys', 'load'] },
  { state: 'movableEx', first: 'umove', against: ['load', 'mig'] },
  { state: 'trackedEx', first: 'guard', against: ['load', 'mig', 'excl1'] },
  { state: 'trackedEx', first: 'scan', against: ['load', 'mig', 'excl1'] },
  { state: 'softEx', first: 'clearrefs', against: ['load', 'mig', 'store'] },
  { state: 'exclusive', first: 'vmread', against: ['load', 'mig'] },
  { state: 'exclusive', first: 'vmwrite', against: ['load', 'mig'] },
  { state: 'dev', first: 'vmwrite', against: ['sys', 'load'] },
  { state: 'smallEx', first: 'collapse', against: ['mig1', 'load'] },
  // Folios of 2 MiB on a device, which 7.3 has.
  { state: 'huge', first: 'migAll', against: ['store', 'dontneed', 'unmap', 'fork', 'mig1'], profile: '7.3' },
  { state: 'hugeDev', first: 'sysAll', against: ['load', 'dontneed', 'unmap', 'fork', 'migAll'], profile: '7.3' },
  { state: 'hugeDev', first: 'load', against: ['store', 'mig1', 'unmap1'], profile: '7.3' },
];

/** Three tasks, where the third brings about the notifier or waits behind the second. */
const TRIPLES: readonly (readonly [State, Action, Action, Action])[] = [
  ['fresh', 'mig', 'mig1', 'store'],
  ['fresh', 'mig', 'mig1', 'dontneed'],
  ['fresh', 'excl', 'excl1', 'store'],
  ['fresh', 'onf', 'mig1', 'dontneed'],
  ['fresh', 'onf', 'onf1', 'store'],
  ['half', 'onf', 'store', 'dontneed1'],
  ['held1', 'onf', 'dontneed0', 'store'],
  ['held1', 'onf', 'onf1', 'dontneed0'],
  ['shmHalf', 'onf', 'onf1', 'dontneed0'],
  ['dev', 'mig', 'sys', 'load'],
  ['dev', 'sys', 'load', 'dontneed'],
  ['dev', 'read1', 'load', 'dontneed1'],
];

/** More than one call a thread. */
const LONGER: readonly (readonly [string, State, readonly (readonly Action[])[]])[] = [
  [
    'two-migsys-storeload',
    'fresh',
    [
      ['mig', 'sys'],
      ['store', 'load'],
    ],
  ],
  [
    'two-exclwrite-store',
    'fresh',
    [
      ['excl', 'write'],
      ['store', 'load'],
    ],
  ],
  [
    'two-onfsys-store',
    'fresh',
    [
      ['onf', 'sys'],
      ['store', 'load'],
    ],
  ],
  [
    'two-migread-dontneed',
    'fresh',
    [
      ['mig', 'read'],
      ['dontneed', 'load'],
    ],
  ],
  [
    'two-halves',
    'fresh',
    [
      ['migFirst', 'migSecond'],
      ['dontneed1', 'store'],
    ],
  ],
];

/** Every test, with a name of its own. */
export function litmusLibrary(): LibraryTest[] {
  const pairs = PAIRS.flatMap(({ state, first, against, profile }) =>
    against.map((second) => ({
      ...testOf(`${state}-${first}-${second}`, state, [[first], [second]]),
      ...(profile === undefined ? {} : { profile }),
    })),
  );
  const triples = TRIPLES.map(([state, ...actions]) =>
    testOf(
      `three-${state}-${actions.join('-')}`,
      state,
      actions.map((action) => [action]),
    ),
  );
  return [...pairs, ...triples, ...LONGER.map(([name, state, threads]) => testOf(name, state, threads))];
}

/**
 * What a migration on fault answers on every path and in every posting: data, that something did not move or is not there, another vma,
 * no file any more. Which of them, over which kind of page, is where postings differ.
 */
const ON_FAULT_ANSWERS = ['0 *', '-2 0 0*', '-14 0 0*', '-34 0 0*', '-9 0 0*', 'hang', 'oops *'];
/** Where every page moves when nothing comes in between, in the first posting too. */
const ALL_MOVE: readonly State[] = ['fresh', 'hole', 'half', 'zero', 'cow', 'swap', 'swap1', 'thp'];

function conditionsOf(state: State, [[first]]: readonly (readonly Action[])[]): LibraryTest['conditions'] {
  if (!first?.startsWith('onf')) return { forbid: [], require: [], allow: [] };
  return { forbid: [], require: ALL_MOVE.includes(state) ? ['0 *'] : [], allow: ON_FAULT_ANSWERS };
}

function testOf(name: string, state: State, threads: readonly (readonly Action[])[]): LibraryTest {
  return {
    name,
    conditions: conditionsOf(state, threads),
    setup: ['open 0 0', 'open 0 1', ...(threads.flat().includes('onf4') ? ['open 0 4'] : []), ...STATES[state]],
    threads: threads.map((actions) => actions.map((action) => ACTIONS[action])),
    observe: observations(state, threads.flat()),
  };
}

/** Mirrors and page tables before the CPU touches anything, then the contents, then what the device sees of them. */
function observations(state: State, actions: readonly Action[]): string[] {
  const open = [0, 1].filter((device) => !actions.includes(device === 0 ? 'close0' : 'close1'));
  const exclusive = open.filter((device) => actions.includes(device === 0 ? 'excl' : 'excl1'));
  const snapshots = open.map((device) => `dm 0 ${device} SNAPSHOT 0 0 2`);
  const hasChild = actions.includes('fork') || (state.startsWith('cow') && !actions.includes('childexit'));
  return [
    ...snapshots,
    ...exclusive.map((device) => `dm 0 ${device} CHECK_EXCLUSIVE 0 0 2`),
    'pagemap 0 0 0 2',
    ...(/^(tracked|guarded|soft)/.test(state) ? ['dirty 0 0 0 2'] : []),
    ...(state.startsWith('movable') ? ['pagemap 0 1 0 2'] : []),
    'load 0 0 0 1',
    'load 0 0 1 1',
    ...(hasChild ? ['load 1 0 0 1', 'load 1 0 1 1'] : []),
    ...snapshots.slice(0, 1),
    ...open.slice(0, 1).map((device) => `dm 0 ${device} READ 0 0 2`),
  ];
}
