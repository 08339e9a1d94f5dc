import { EINVAL } from '../../../uapi/errno.js';
import {
  PR_GET_DUMPABLE,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_THP_DISABLE,
  PR_SET_DUMPABLE,
  PR_SET_NAME,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  PR_SET_THP_DISABLE,
} from '../../../uapi/prctl.js';
import type { Coroutine } from '../../core/effect.js';
import { COMM_LEN } from '../../sys/processes/program-image.js';
import { SIGNAL_COUNT } from '../../sys/processes/send-signal.js';
import { strncpyFromUser, words32, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { NAMED } from '../strace-names.js';

/** What a process says of itself. */
export const prctlSyscalls: GuestSyscallTable = {
  167: {
    name: 'prctl',
    args: 'Yxxxx',
    note: 'PDEATHSIG, DUMPABLE, NAME, NO_NEW_PRIVS, THP_DISABLE; no PR_SET_VMA, as without CONFIG_ANON_VMA_NAME',
    run: prctl,
  },
};

/** Linux: kernel/sys.c:prctl() */
function* prctl(guest: GuestThread): Coroutine<number> {
  const { mm, thread } = guest;
  const option = guest.int(0);
  const value = guest.u(1);
  switch (option) {
    case PR_SET_PDEATHSIG:
      if (value > SIGNAL_COUNT) return -EINVAL;
      thread.parentDeathSignal = value;
      return 0;
    case PR_GET_PDEATHSIG:
      return yield* writeUser(mm, value, words32(thread.parentDeathSignal));
    case PR_GET_DUMPABLE:
      return mm.dumpable;
    case PR_SET_DUMPABLE:
      if (value > 1) return -EINVAL;
      mm.dumpable = value;
      return 0;
    case PR_SET_NAME: {
      const name = yield* strncpyFromUser(mm, value, 256);
      if (typeof name === 'number') return name;
      guest.process.image!.comm = name.slice(0, COMM_LEN);
      return 0;
    }
    case PR_GET_NAME:
      return yield* writeUser(mm, value, new TextEncoder().encode(guest.process.image!.comm.padEnd(16, '\0')));
    case PR_SET_NO_NEW_PRIVS:
      if (value !== 1 || hasArguments(guest, 2)) return -EINVAL;
      thread.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return hasArguments(guest, 1) ? -EINVAL : Number(thread.noNewPrivs);
    case PR_GET_THP_DISABLE:
      return hasArguments(guest, 1) ? -EINVAL : Number(mm.isThpDisabled);
    case PR_SET_THP_DISABLE:
      if (hasArguments(guest, 2)) return -EINVAL;
      yield* mm.mmapLock.writeLock();
      mm.isThpDisabled = value !== 0;
      mm.mmapLock.writeUnlock();
      return 0;
    default:
      guest.host.unsupported(`prctl ${NAMED.Y!(option)}`);
      return -EINVAL;
  }
}

/** Is one of the last arguments, from number `first` on, not 0? */
function hasArguments(guest: GuestThread, first: number): boolean {
  for (let i = first; i < 5; i++) if (guest.u(i) !== 0) return true;
  return false;
}
