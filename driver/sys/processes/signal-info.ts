/** What a handler with SA_SIGINFO learns; which fields count depends on the signal and the code. Linux: kernel_siginfo_t */
export interface SignalInfo {
  readonly signo: number;
  /** SI_* below or equal 0, or a code of the signal's own. */
  readonly code: number;
  /** Who sent it, or the child of a SIGCHLD. */
  readonly pid?: number;
  /** Exit code or signal of the child of a SIGCHLD. */
  readonly status?: number;
  /** Where a fault happened. */
  readonly addr?: number;
  /** Low half of the value that sigqueue(2) carries. */
  readonly value?: number;
}

export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_TKILL = -6;

export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;
