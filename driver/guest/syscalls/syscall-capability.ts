import { EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { readUserView, words32, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const VERSION_1 = 0x19980330;
const VERSION_2 = 0x20071026;
const VERSION_3 = 0x20080522;
/** Effective, permitted and inheritable ones 0 to 31, then the same of the others. Linux: CAP_FULL_SET, and CAP_EMPTY_SET */
const ALL = [0xffffffff, 0xffffffff, 0, 0x1ff, 0x1ff, 0];
const WORDS_OF_ONE = 3;

/** Everybody is root, and has all capabilities. */
export const capabilitySyscalls: GuestSyscallTable = {
  90: { name: 'capget', args: 'pp', note: 'everybody has all of them', run: capget },
  91: { name: 'capset', args: 'pp', note: 'none can be given up', run: capset },
};

/** The process that is asked of and the words of its data; or a negative errno. Linux: part of kernel/capability.c:cap_validate_magic() */
function* capValidateMagic(guest: GuestThread): Coroutine<{ pid: number; words: number } | number> {
  const header = yield* readUserView(guest.mm, guest.u(0), 8);
  if (typeof header === 'number') return header;
  const pid = header.getInt32(4, true);
  switch (header.getUint32(0, true)) {
    case VERSION_1:
      return { pid, words: WORDS_OF_ONE };
    case VERSION_2:
    case VERSION_3:
      return { pid, words: 2 * WORDS_OF_ONE };
    default:
      return (yield* writeUser(guest.mm, guest.u(0), words32(VERSION_3))) || -EINVAL;
  }
}

/** Linux: kernel/capability.c:capget() */
function* capget(guest: GuestThread): Coroutine<number> {
  const asked = yield* capValidateMagic(guest);
  const data = guest.u(1);
  if (typeof asked === 'number') return data === 0 && asked === -EINVAL ? 0 : asked;
  if (data === 0) return 0;
  if (asked.pid < 0) return -EINVAL;
  const target = asked.pid === 0 ? guest.thread : guest.process.machine.threadByTid(asked.pid);
  if (target === null || target.process.owner !== guest.process.owner) return -ESRCH;
  return yield* writeUser(guest.mm, data, words32(...ALL.slice(0, asked.words)));
}

/** Linux: kernel/capability.c:capset() */
function* capset(guest: GuestThread): Coroutine<number> {
  const asked = yield* capValidateMagic(guest);
  if (typeof asked === 'number') return asked;
  if (asked.pid !== 0 && asked.pid !== guest.thread.tid) return -EPERM;
  const data = yield* readUserView(guest.mm, guest.u(1), 4 * asked.words);
  if (typeof data === 'number') return data;
  for (let i = 0; i < asked.words; i++) if (data.getUint32(4 * i, true) !== ALL[i]) return -EPERM;
  return 0;
}
