import type { Cpu } from '../cpu.js';
import type { Emit } from '../wasm/emitter.js';
import type { TrapCode } from './trap.js';

/** What an instruction does: 0, or the trap it takes instead. A taken branch sets `cpu.nextPc`. */
export type Exec = (cpu: Cpu, insn: Insn) => TrapCode;

/** How the operands of an instruction are laid out in its word, and how they are printed. */
export type Format =
  | 'R'
  | 'I'
  | 'shift'
  | 'shiftw'
  | 'load'
  | 'store'
  | 'branch'
  | 'U'
  | 'J'
  | 'jalr'
  | 'none'
  | 'fence'
  | 'csr'
  | 'csri'
  | 'amo'
  | 'lr'
  | 'fload'
  | 'fstore'
  | 'fR'
  | 'fRrm'
  | 'fR4'
  | 'f1rm'
  | 'fcmp'
  | 'fclass'
  | 'fromInt'
  | 'toInt'
  | 'moveToInt'
  | 'moveFromInt';

/** One instruction of the set: words with `(word & mask) === match` are it. */
export interface Definition {
  readonly name: string;
  readonly mask: number;
  readonly match: number;
  readonly format: Format;
  readonly exec: Exec;
  readonly emit: Emit;
}

/** A decoded instruction. Registers are indices of their low half; a destination of x0 is the slot behind x31. */
export interface Insn {
  readonly definition: Definition;
  readonly exec: Exec;
  /** The 32-bit word, expanded when it was compressed. */
  readonly word: number;
  /** 2 or 4 bytes. */
  readonly length: number;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
  readonly imm: number;
}

/** Where writes to x0 go. */
export const NOWHERE = 64;
