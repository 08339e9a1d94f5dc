/**
 * Why `Cpu.run` returned. `pc` is left at the instruction that trapped, which has not retired; with `budget` it is the
 * next instruction.
 */
export const Trap = {
  /** As many instructions as asked for have retired. */
  budget: 0,
  ecall: 1,
  ebreak: 2,
  illegal: 3,
  /** A load (or LR) that the page table does not allow; `trapAddr` is the first byte out of reach. */
  loadFault: 4,
  /** A store, SC or AMO that the page table does not allow. */
  storeFault: 5,
  /** An instruction whose bytes can't be fetched. */
  fetchFault: 6,
  /** LR, SC or an AMO at an address that is no multiple of its size, which no kernel puts right. */
  misaligned: 7,
} as const;
export type TrapCode = (typeof Trap)[keyof typeof Trap];
