import * as fcntl from '../../uapi/fcntl.js';
import * as mman from '../../uapi/mman.js';
import * as prctl from '../../uapi/prctl.js';
import * as shm from '../../uapi/shm.js';

/** Names of bits, of fields of several bits, or of whole values. */
type Names = readonly (readonly [name: string, value: number])[];

function namesOf(constants: Readonly<Record<string, unknown>>, prefix: string): Names {
  return Object.entries(constants).filter(
    (entry): entry is [string, number] => entry[0].startsWith(prefix) && typeof entry[1] === 'number',
  );
}

const OPEN = namesOf(fcntl, 'O_').filter(([name]) => !['O_ACCMODE', 'O_RDONLY', 'O_WRONLY', 'O_RDWR'].includes(name));
const MAP = namesOf(mman, 'MAP_').filter(([, value]) => value > mman.MAP_TYPE);
const MAP_TYPES: Names = [
  ['MAP_SHARED', 1],
  ['MAP_PRIVATE', 2],
  ['MAP_SHARED_VALIDATE', 3],
  ['MAP_DROPPABLE', 8],
];
const CLONE: Names = [
  ['CLONE_VM', 0x100],
  ['CLONE_FS', 0x200],
  ['CLONE_FILES', 0x400],
  ['CLONE_SIGHAND', 0x800],
  ['CLONE_PIDFD', 0x1000],
  ['CLONE_VFORK', 0x4000],
  ['CLONE_PARENT', 0x8000],
  ['CLONE_THREAD', 0x10000],
  ['CLONE_SYSVSEM', 0x40000],
  ['CLONE_SETTLS', 0x80000],
  ['CLONE_PARENT_SETTID', 0x100000],
  ['CLONE_CHILD_CLEARTID', 0x200000],
  ['CLONE_CHILD_SETTID', 0x1000000],
];
const WAIT: Names = [
  ['WNOHANG', 1],
  ['WSTOPPED', 2],
  ['WEXITED', 4],
  ['WCONTINUED', 8],
  ['WNOWAIT', 0x1000000],
  ['__WALL', 0x40000000],
  ['__WCLONE', 0x80000000],
];
const FUTEX = 'WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET WAKE_BITSET'.split(
  ' ',
);
const FUTEX_FLAGS: Names = [
  ['FUTEX_PRIVATE_FLAG', 128],
  ['FUTEX_CLOCK_REALTIME', 256],
];
const SHMGET = namesOf(shm, '').filter(([name]) => /^(IPC_CREAT|IPC_EXCL|SHM_HUGETLB|SHM_NORESERVE)$/.test(name));
const SHMAT = namesOf(shm, 'SHM_').filter(([name]) => /^SHM_(RDONLY|RND|REMAP|EXEC)$/.test(name));
const SHMCTL = namesOf(shm, '').filter(([name]) =>
  /^(IPC_(RMID|SET|STAT|INFO)|SHM_(UN)?LOCK|SHM_STAT(_ANY)?|SHM_INFO)$/.test(name),
);
const FCNTL: Names = [
  ['F_DUPFD', 0],
  ['F_GETFD', 1],
  ['F_SETFD', 2],
  ['F_GETFL', 3],
  ['F_SETFL', 4],
  ['F_DUPFD_CLOEXEC', 1030],
  ['F_SETPIPE_SZ', 1031],
  ['F_GETPIPE_SZ', 1032],
  ['F_ADD_SEALS', 1033],
  ['F_GET_SEALS', 1034],
];

/** Bits by name, the unknown rest as a number; `none` when there is neither. */
function flagText(value: number, names: Names, none: string): string {
  const set = names.filter(([, bits]) => bits !== 0 && ((value & bits) | 0) === (bits | 0));
  // A name whose bits are all in a longer one says nothing of its own.
  const shown = set.filter(([, bits]) => !set.some(([, more]) => more !== bits && ((more & bits) | 0) === (bits | 0)));
  const rest = set.reduce((left, [, bits]) => left & ~bits, value) >>> 0;
  const parts = shown.map(([name]) => name);
  if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
  return parts.length === 0 ? none : parts.join('|');
}

function valueText(value: number, names: Names): string {
  return names.find(([, known]) => known === value)?.[0] ?? String(value);
}

function joined(first: string, rest: string): string {
  return rest === '' ? first : `${first}|${rest}`;
}

/** How an int argument is shown, by its letter in the table. */
export const NAMED: Readonly<Record<string, (value: number) => string>> = {
  /** Flags of open(2). */
  O: (value) => joined(['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][value & 3]!, flagText(value & ~3, OPEN, '')),
  /** Flags of mmap(2). */
  M: (value) => joined(valueText(value & 0xf, MAP_TYPES), flagText(value & ~0xf, MAP, '')),
  R: (value) => flagText(value, namesOf(mman, 'MREMAP_'), '0'),
  V: (value) => valueText(value, namesOf(mman, 'MADV_')),
  P: (value) => flagText(value, namesOf(mman, 'PROT_'), 'PROT_NONE'),
  /** Flags of clone(2), with the signal at the end. */
  C: (value) =>
    joined(flagText(value & ~0xff, CLONE, '0'), (value & 0xff) === 0 ? '' : valueText(value & 0xff, [['SIGCHLD', 17]])),
  W: (value) => flagText(value, WAIT, '0'),
  F: (value) => valueText(value, FCNTL),
  /** Options of prctl(2). */
  Y: (value) => valueText(value, namesOf(prctl, 'PR_')),
  /** Where lseek(2) counts from. */
  L: (value) => valueText(value, namesOf(fcntl, 'SEEK_')),
  /** Flags of shmget(2), with the rights at the end. */
  G(value) {
    const rights = `0${(value & 0o777).toString(8)}`;
    return (value & ~0o777) === 0 ? rights : joined(flagText(value & ~0o777, SHMGET, ''), rights);
  },
  /** Flags of shmat(2). */
  A: (value) => flagText(value, SHMAT, '0'),
  /** Commands of shmctl(2). */
  K: (value) => valueText(value, SHMCTL),
  U: (value) => joined(`FUTEX_${FUTEX[value & 0x7f] ?? value & 0x7f}`, flagText(value & ~0x7f, FUTEX_FLAGS, '')),
  H: (value) =>
    valueText(value, [
      ['SIG_BLOCK', 0],
      ['SIG_UNBLOCK', 1],
      ['SIG_SETMASK', 2],
    ]),
};
