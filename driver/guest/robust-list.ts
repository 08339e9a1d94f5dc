import { readS64, readU64 } from '../../uapi/u64.js';
import type { Coroutine } from '../core/effect.js';
import { FUTEX_BITSET_MATCH_ANY } from '../sys/processes/futex.js';
import { readUserView, words32, writeUser } from '../sys/processes/user-memory.js';
import type { GuestThread } from './guest-thread.js';

const MAX_ENTRIES = 2048;
const FUTEX_TID_MASK = 0x3fffffff;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_WAITERS = 0x80000000;

/** Locks that the ending thread still holds are marked, and a waiter of each wakes. Linux: kernel/futex/core.c:exit_robust_list() */
export function* exitRobustList(guest: GuestThread): Coroutine<void> {
  const { head } = guest.robustList;
  if (head === 0) return;
  const list = yield* readUserView(guest.mm, head, 24);
  if (typeof list === 'number') return;
  const offset = readS64(list, 8);
  let entry = readU64(list, 0);
  for (let n = 0; n < MAX_ENTRIES && entry !== head; n++) {
    const next = yield* readUserView(guest.mm, entry, 8);
    yield* ownerDied(guest, entry + offset);
    if (typeof next === 'number') return;
    entry = readU64(next, 0);
  }
}

function* ownerDied(guest: GuestThread, addr: number): Coroutine<void> {
  const word = yield* readUserView(guest.mm, addr, 4);
  if (typeof word === 'number') return;
  const value = word.getUint32(0, true);
  if ((value & FUTEX_TID_MASK) !== guest.thread.tid) return;
  yield* writeUser(guest.mm, addr, words32((value & FUTEX_WAITERS) | FUTEX_OWNER_DIED));
  if (value & FUTEX_WAITERS) wakeWord(guest, addr, 1);
}

/** Wakes waiters of the word at `addr`. */
export function wakeWord(guest: GuestThread, addr: number, count: number): void {
  guest.process.machine.futexes.futexWake(guest.mm, addr, { count, bitset: FUTEX_BITSET_MATCH_ANY });
}
