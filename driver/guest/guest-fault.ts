import { BUS_ADRERR, BUS_MCEERR_AR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV } from '../../uapi/signal.js';
import { assert } from '../core/assert.js';
import type { AccessFault } from '../mm/faults/access.js';
import type { SignalInfo } from '../sys/processes/signal-info.js';

/** Signal and code of each way in which an access ends; without memory the OOM killer strikes. */
const SIGNALS: Readonly<Record<Exclude<AccessFault, 'none' | 'endless'>, { signo: number; code: number }>> = {
  maperr: { signo: SIGSEGV, code: SEGV_MAPERR },
  accerr: { signo: SIGSEGV, code: SEGV_ACCERR },
  sigbus: { signo: SIGBUS, code: BUS_ADRERR },
  hwpoison: { signo: SIGBUS, code: BUS_MCEERR_AR },
  oom: { signo: SIGKILL, code: 0 },
};

export function faultSignal(fault: AccessFault, addr: number): SignalInfo {
  assert(fault !== 'none' && fault !== 'endless', 'an access that went well raises no signal');
  return { ...SIGNALS[fault], addr };
}
