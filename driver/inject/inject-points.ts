import { PROFILE_NAMES, type ProfileName } from '../../uapi/profile-name.js';

/**
 * The places where a plan can make the machine fail. `returns` are what the caller of the real function can meet there;
 * a point that `sleeps` can also delay its task or run an action of others first, one that does not stands under a spin
 * lock or inside an atomic step.
 */
export interface InjectPointInfo {
  readonly name: string;
  readonly phases: readonly PhaseName[];
  readonly returns: readonly InjectReturn[];
  readonly sleeps: boolean;
  /** Whose semantics have it: the kernels in which it can be hit, phase by phase. */
  readonly profiles: Readonly<Partial<Record<PhaseName, readonly ProfileName[]>>>;
  readonly about: string;
}

/** What a point can return. Those that are no errno are words of the function that is made to fail. */
export const INJECT_RETURNS = {
  EINTR: -4,
  EIO: -5,
  EAGAIN: -11,
  ENOMEM: -12,
  EFAULT: -14,
  EBUSY: -16,
  /** The function says no: a trylock, an isolation, a check. */
  FAIL: 1,
  /** VM_FAULT_OOM. */
  OOM: 2,
  /** VM_FAULT_SIGBUS. */
  SIGBUS: 3,
  /** Nothing was done, look again. */
  RETRY: 4,
  /** Somebody else's invalidation of this page arrives now. */
  EVENT: 5,
  /** Only the first bytes are done. */
  SHORT: 6,
} as const;
export type InjectReturn = keyof typeof INJECT_RETURNS;

/** Where in a migration or fault the running task is. */
export const PHASES = ['call', 'range-fault', 'collect', 'unmap', 'copy', 'pages', 'map', 'finalize', 'evict'] as const;
export type PhaseName = (typeof PHASES)[number];
export const Phase = {
  call: 0,
  rangeFault: 1,
  collect: 2,
  unmap: 3,
  copy: 4,
  pages: 5,
  map: 6,
  finalize: 7,
  evict: 8,
} as const;

/** The numbers by which kernel code names its points: indexes of `INJECT_POINTS`. */
export const InjectPoint = {
  pageAlloc: 0,
  thpAlloc: 1,
  pageTableAlloc: 2,
  devicePageAlloc: 3,
  deviceChunkAlloc: 4,
  folioTrylock: 5,
  lruIsolate: 6,
  anonShare: 7,
  extraReference: 8,
  extraPin: 9,
  refcountSetup: 10,
  refcountPages: 11,
  handleMmFault: 12,
  notifierInvalidate: 13,
  notifierNonblock: 14,
  intervalRetry: 15,
  mirrorStore: 16,
  deviceCopy: 17,
  migrateToRam: 18,
  copyFromUser: 19,
  copyToUser: 20,
  mmapLock: 21,
  swapRead: 22,
  thpSplit: 23,
  taskKilled: 24,
  rangeTimeout: 25,
  walkAbort: 26,
} as const;
export type InjectPointId = (typeof InjectPoint)[keyof typeof InjectPoint];

/** The catalogue, in the order of `InjectPoint`. */
export const INJECT_POINTS: readonly InjectPointInfo[] = [
  point(
    'page_alloc',
    'atomic',
    ['ENOMEM'],
    ['call', 'range-fault', 'unmap', 'copy'],
    'a 4 KiB page of system memory is allocated',
  ),
  point(
    'thp_alloc',
    'atomic',
    ['ENOMEM'],
    ['call', 'range-fault', since('6.19', 'copy'), since('6.19', 'evict')],
    'a folio of 2 MiB, or of a smaller size that /sys enables, is allocated',
  ),
  point(
    'page_table_alloc',
    'atomic',
    ['ENOMEM'],
    ['call', 'range-fault', 'pages'],
    'a page table is allocated for a fault, a fork or an insert',
  ),
  point('device_page_alloc', 'sleeps', ['ENOMEM'], ['copy'], 'the driver takes a free page of its device'),
  point('device_chunk_alloc', 'sleeps', ['ENOMEM'], ['copy'], 'the driver adds a chunk of 256 MiB to its device'),
  point(
    'folio_trylock',
    'atomic',
    ['FAIL'],
    ['collect', only('6.12', 'call'), 'evict'],
    'collect, evict or the EXCLUSIVE of 6.12 tries the lock of a folio',
  ),
  point('lru_isolate', 'atomic', ['FAIL'], ['unmap'], 'setup takes a system page off the LRU'),
  point(
    'anon_share',
    'atomic',
    ['FAIL'],
    ['call', 'collect', 'unmap'],
    'an anon-exclusive mark is given up for a migration entry',
  ),
  point(
    'extra_reference',
    'sleeps',
    ['FAIL'],
    ['unmap', 'pages'],
    'somebody takes a reference to the page until the call ends',
  ),
  point(
    'extra_pin',
    'atomic',
    ['FAIL'],
    ['collect'],
    'somebody pins the page until the call ends, before collect looks at it',
  ),
  point('refcount_setup', 'atomic', ['FAIL'], ['unmap'], 'setup finds that somebody else refers to the page'),
  point('refcount_pages', 'atomic', ['FAIL'], ['pages'], 'migrate_vma_pages finds a reference too many'),
  point(
    'handle_mm_fault',
    'sleeps',
    ['OOM', 'SIGBUS', 'RETRY'],
    ['call', 'range-fault'],
    'a page is faulted in, by the CPU, the kernel or hmm_range_fault',
  ),
  point(
    'notifier_invalidate',
    'sleeps',
    ['EVENT'],
    ['range-fault', 'copy', 'pages', 'call'],
    "a CLEAR of somebody else's arrives for the page",
  ),
  point(
    'notifier_nonblock',
    'sleeps',
    ['EAGAIN'],
    ['range-fault', 'copy', 'pages', 'call'],
    'an invalidation that may not sleep meets the mutex of the file',
  ),
  point(
    'interval_retry',
    'atomic',
    ['EBUSY'],
    ['range-fault', 'call'],
    'the interval sequence has moved when it is compared',
  ),
  point('mirror_store', 'atomic', ['ENOMEM'], ['call', 'map'], "an entry is stored in the file's mirror"),
  point('device_copy', 'sleeps', ['FAIL', 'SHORT'], ['copy'], 'the device copies the bytes of one page'),
  point(
    'migrate_to_ram',
    'sleeps',
    ['SIGBUS', 'OOM', 'RETRY'],
    ['call', 'range-fault'],
    'the driver is asked to bring a private page back for a CPU',
  ),
  point('copy_from_user', 'sleeps', ['EFAULT'], ['call'], 'the kernel reads user memory'),
  point('copy_to_user', 'sleeps', ['EFAULT'], ['call'], 'the kernel writes user memory'),
  point('mmap_lock', 'sleeps', [], ['call'], 'an ioctl is about to take the mmap_lock for read'),
  point('swap_read', 'sleeps', ['EIO', 'ENOMEM'], ['call', 'range-fault'], 'a page is read from swap'),
  point(
    'thp_split',
    'sleeps',
    ['EAGAIN', 'EBUSY'],
    ['call', 'collect', since('6.19', 'pages'), since('6.19', 'evict')],
    'a huge page is split into small ones',
  ),
  point('task_killed', 'sleeps', ['EINTR'], ['call'], 'a fatal signal reaches the task between two chunks'),
  point('range_timeout', 'atomic', ['EBUSY'], ['call'], 'the 1000 ms of a range fault are over'),
  point(
    'walk_abort',
    'sleeps',
    ['EBUSY', 'EFAULT'],
    ['range-fault'],
    'the walk of hmm_range_fault ends with an error behind its last entry',
  ),
];

/** A phase, and the kernels in which the point can be hit there: all, unless it is one of these. */
type Site = PhaseName | { readonly phase: PhaseName; readonly profiles: readonly ProfileName[] };

function since(profile: ProfileName, phase: PhaseName): Site {
  return { phase, profiles: PROFILE_NAMES.slice(PROFILE_NAMES.indexOf(profile)) };
}

function only(profile: ProfileName, phase: PhaseName): Site {
  return { phase, profiles: [profile] };
}

function point(
  name: string,
  kind: 'atomic' | 'sleeps',
  returns: readonly InjectReturn[],
  sites: readonly Site[],
  about: string,
): InjectPointInfo {
  const all = sites.map((site) => (typeof site === 'string' ? { phase: site, profiles: PROFILE_NAMES } : site));
  const phases = all.map(({ phase }) => phase);
  const profiles = Object.fromEntries(all.map((site) => [site.phase, site.profiles]));
  return { name, phases, returns, sleeps: kind === 'sleeps', profiles, about };
}

/** The phases in which a point can be hit on a machine of this profile. */
export function phasesIn<Phase extends string>(
  {
    phases,
    profiles,
  }: { phases: readonly Phase[]; profiles: Readonly<Partial<Record<Phase, readonly ProfileName[]>>> },
  profile: ProfileName,
): Phase[] {
  return phases.filter((phase) => profiles[phase]!.includes(profile));
}

/** The number of the point of that name; -1 when there is none. */
export function pointByName(name: string): InjectPointId {
  return INJECT_POINTS.findIndex((info) => info.name === name) as InjectPointId;
}
