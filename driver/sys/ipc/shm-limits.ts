import { TWO_32 } from '../../../uapi/u64.js';
import { words32 } from '../processes/user-memory.js';

/** ULONG_MAX less 2^24. Linux: include/uapi/linux/shm.h:SHMMAX, SHMALL */
const SHM_UNLIMITED = '18446744073692774399';
const SHM_MNI = 4096;

/** What /proc/sys/kernel lets segments be: bytes of one, pages of all, and how many. Unsigned longs are decimal digits, as no number holds them all. */
export class ShmLimits {
  ctlmax = SHM_UNLIMITED;
  ctlall = SHM_UNLIMITED;
  ctlmni = SHM_MNI;

  /** struct shminfo64. Linux: part of ipc/shm.c:shmctl_ipc_info() */
  shminfo64(): Uint8Array {
    const { ctlmni } = this;
    const limits = [...ulongWords(this.ctlmax), 1, 0, ctlmni, 0, ctlmni, 0, ...ulongWords(this.ctlall)];
    return words32(...limits, 0, 0, 0, 0, 0, 0, 0, 0);
  }
}

/** The low and the high half. */
function ulongWords(digits: string): [number, number] {
  let [lo, hi] = [0, 0];
  for (const digit of digits) {
    lo = lo * 10 + Number(digit);
    hi = hi * 10 + Math.floor(lo / TWO_32);
    lo %= TWO_32;
  }
  return [lo, hi];
}
