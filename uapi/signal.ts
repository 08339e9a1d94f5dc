// Signal numbers and si_code values (include/uapi/asm-generic/signal.h, siginfo.h), and the wait(2) status word.

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;

export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;

export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const BUS_OBJERR = 3;
export const BUS_MCEERR_AR = 4;
export const BUS_MCEERR_AO = 5;

const names: Readonly<Record<number, string>> = {
  [SIGHUP]: 'SIGHUP',
  [SIGINT]: 'SIGINT',
  [SIGQUIT]: 'SIGQUIT',
  [SIGILL]: 'SIGILL',
  [SIGTRAP]: 'SIGTRAP',
  [SIGABRT]: 'SIGABRT',
  [SIGBUS]: 'SIGBUS',
  [SIGFPE]: 'SIGFPE',
  [SIGKILL]: 'SIGKILL',
  [SIGUSR1]: 'SIGUSR1',
  [SIGSEGV]: 'SIGSEGV',
  [SIGUSR2]: 'SIGUSR2',
  [SIGPIPE]: 'SIGPIPE',
  [SIGALRM]: 'SIGALRM',
  [SIGTERM]: 'SIGTERM',
  [SIGSTKFLT]: 'SIGSTKFLT',
  [SIGCHLD]: 'SIGCHLD',
  [SIGCONT]: 'SIGCONT',
  [SIGSTOP]: 'SIGSTOP',
  [SIGTSTP]: 'SIGTSTP',
  [SIGTTIN]: 'SIGTTIN',
  [SIGTTOU]: 'SIGTTOU',
  [SIGURG]: 'SIGURG',
  [SIGXCPU]: 'SIGXCPU',
  [SIGXFSZ]: 'SIGXFSZ',
  [SIGVTALRM]: 'SIGVTALRM',
  [SIGPROF]: 'SIGPROF',
  [SIGWINCH]: 'SIGWINCH',
  [SIGIO]: 'SIGIO',
  [SIGPWR]: 'SIGPWR',
  [SIGSYS]: 'SIGSYS',
};

/** The name of a signal; an unnamed one comes back as its decimal text. */
export function signalName(signo: number): string {
  return names[signo] ?? String(signo);
}

/** The wait(2) status word of a process that called exit(code). */
export function exitStatus(code: number): number {
  return (code & 0xff) << 8;
}

/** The wait(2) status word of a process that a signal killed (no core dump). */
export function signalStatus(signo: number): number {
  return signo & 0x7f;
}

/** The wait(2) status word of a process that a signal stopped. */
export function stoppedStatus(signo: number): number {
  return (signo << 8) | 0x7f;
}

/** The wait(2) status word of a process that goes on after a stop. */
export const CONTINUED_STATUS = 0xffff;

export function WIFEXITED(status: number): boolean {
  return (status & 0x7f) === 0;
}

export function WEXITSTATUS(status: number): number {
  return (status >> 8) & 0xff;
}

export function WIFSIGNALED(status: number): boolean {
  const signo = status & 0x7f;
  return signo !== 0 && signo !== 0x7f;
}

export function WIFSTOPPED(status: number): boolean {
  return (status & 0xff) === 0x7f;
}

export function WTERMSIG(status: number): number {
  return status & 0x7f;
}
