import type { Emit } from '../wasm/emitter.js';
import type { Definition, Exec, Format } from './instruction.js';

/** Which bits of the word an instruction of each format is recognised by. */
const MASKS: Readonly<Record<Format, number>> = {
  R: 0xfe00707f,
  I: 0x707f,
  shift: 0xfc00707f,
  shiftw: 0xfe00707f,
  load: 0x707f,
  store: 0x707f,
  branch: 0x707f,
  U: 0x7f,
  J: 0x7f,
  jalr: 0x707f,
  none: 0xffffffff,
  fence: 0x707f,
  csr: 0x707f,
  csri: 0x707f,
  amo: 0xf800707f,
  lr: 0xf9f0707f,
  fload: 0x707f,
  fstore: 0x707f,
  fR: 0xfe00707f,
  fRrm: 0xfe00007f,
  fR4: 0x0600007f,
  f1rm: 0xfff0007f,
  fcmp: 0xfe00707f,
  fclass: 0xfff0707f,
  fromInt: 0xfff0007f,
  toInt: 0xfff0007f,
  moveToInt: 0xfff0707f,
  moveFromInt: 0xfff0707f,
};

/** One instruction: its name as the assembler spells it, the bits that make it, what it does, and the code that does the same. */
export function define(name: string, format: Format, match: number, exec: Exec, emit: Emit): Definition {
  return { name, format, mask: MASKS[format] | 0, match: match | 0, exec, emit };
}

/** The fixed bits of a word: major opcode, funct3, funct7. */
export function bits(opcode: number, funct3 = 0, funct7 = 0): number {
  return opcode | (funct3 << 12) | (funct7 << 25);
}
