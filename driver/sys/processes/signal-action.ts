import { NO_SIGNALS, type SignalSet } from './signal-set.js';

export const SIG_DFL = 0;
export const SIG_IGN = 1;
export const SA_NOCLDSTOP = 1;
export const SA_NOCLDWAIT = 2;
const SA_SIGINFO = 4;
export const SA_ONSTACK = 0x08000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;
const SA_EXPOSE_TAGBITS = 0x800;
/** What sigaction(2) keeps: programs find out so what a kernel knows. Linux: UAPI_SA_FLAGS */
export const SA_ALL =
  SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_EXPOSE_TAGBITS;

/** What a program asked to happen at a signal; `handler` is an address, SIG_DFL or SIG_IGN. Linux: struct k_sigaction */
export interface SignalAction {
  readonly handler: number;
  readonly flags: number;
  readonly mask: SignalSet;
}

export const DEFAULT_ACTION: SignalAction = { handler: SIG_DFL, flags: 0, mask: NO_SIGNALS };
