import { NO_SIGNALS, type SignalSet } from './signal-set.js';

export const SIG_DFL = 0;
export const SIG_IGN = 1;
export const SA_NOCLDSTOP = 1;
export const SA_NOCLDWAIT = 2;

/** What a program asked to happen at a signal; `handler` is an address, SIG_DFL or SIG_IGN. Linux: struct k_sigaction */
export interface SignalAction {
  readonly handler: number;
  readonly flags: number;
  readonly mask: SignalSet;
}

export const DEFAULT_ACTION: SignalAction = { handler: SIG_DFL, flags: 0, mask: NO_SIGNALS };
