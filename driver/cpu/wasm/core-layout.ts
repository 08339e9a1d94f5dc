/**
 * Where compiled code finds what a core has, in front of RAM in the one WebAssembly.Memory of a machine. All fits into
 * `CORE_BYTES` (driver/mm/frames/ram.ts).
 */
export const At = {
  /** x0 to x31, and the slot that takes what is written to x0. */
  x: 0,
  f: 264,
  fcsr: 520,
  /** Where the code left, as a double, and the instructions that it did not use. */
  pc: 528,
  left: 536,
  /** What the slow path of a load has read, or that of a store is to write. */
  value: 544,
  loads: 0x1000,
  stores: 0x5000,
  jumps: 0x9000,
} as const;

/** Entries of each TLB and of the table of jump targets. An entry has 16 bytes. */
export const ENTRIES = 1024;
/** The bits of an entry's place. */
export const ENTRY_MASK = (ENTRIES - 1) << 4;
