import { ENOSYS } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import { FUTEX_BITSET_MATCH_ANY } from '../sys/processes/futex.js';
import { readUserView, words32, writeUser } from '../sys/processes/user-memory.js';
import type { GuestThread } from './guest-thread.js';

/** FUTEX_WAKE_OP: changes the second word, wakes at the first, and at the second if its old value compares. */
export function* futexWakeOp(guest: GuestThread): Coroutine<number> {
  const [addr, count, second, addr2, code] = [guest.u(0), guest.int(2), guest.int(3), guest.u(4), guest.int(5)];
  const word = yield* readUserView(guest.mm, addr2, 4);
  if (typeof word === 'number') return word;
  const old = word.getInt32(0, true);
  const shifts = (code >>> 31) & 1;
  const rawArg = (code << 8) >> 20;
  const next = operate((code >>> 28) & 7, old, shifts ? 1 << (rawArg & 31) : rawArg);
  const holds = compare((code >>> 24) & 15, old, (code << 20) >> 20);
  if (next === null || holds === null) return -ENOSYS;
  const error = yield* writeUser(guest.mm, addr2, words32(next));
  if (error !== 0) return error;
  const { futexes } = guest.process.machine;
  const woken = futexes.futexWake(guest.mm, addr, { count, bitset: FUTEX_BITSET_MATCH_ANY });
  if (!holds) return woken;
  return woken + futexes.futexWake(guest.mm, addr2, { count: second, bitset: FUTEX_BITSET_MATCH_ANY });
}

/** SET, ADD, OR, ANDN, XOR */
function operate(op: number, old: number, arg: number): number | null {
  return [arg, (old + arg) | 0, old | arg, old & ~arg, old ^ arg][op] ?? null;
}

/** EQ, NE, LT, LE, GT, GE */
function compare(cmp: number, old: number, arg: number): boolean | null {
  return [old === arg, old !== arg, old < arg, old <= arg, old > arg, old >= arg][cmp] ?? null;
}
