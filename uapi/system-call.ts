// A system call as every door carries it: what goes in, and what comes out.

/** Arguments of a system call. Byte arrays must not be changed before the call is done. */
export type CallArg = number | string | Uint8Array;

/** How a system call ended. */
export interface CallResult {
  /** 0 or positive, or a negative errno. */
  ret: number;
  /** Data of load, pread, ioctlBytes. */
  bytes?: Uint8Array;
  /** Why a load or store stopped early: `ret` bytes were done before it. */
  signal?: { signo: number; code: number; addr: number };
  /** Why a load or store was given up after `ret` bytes though no signal stopped it. */
  stuck?: string;
  /** The status word of wait. */
  status?: number;
}
