import type { Format, Insn } from './instruction.js';
import { NOWHERE } from './instruction.js';
import { Csr } from './ops-csr.js';

const X_NAMES =
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');
const F_NAMES =
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'.split(
    ' ',
  );
const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm', 'rm5', 'rm6', ''];
const CSR_NAMES = new Map<number, string>(Object.entries(Csr).map(([name, number]) => [number, name]));

function x(index: number): string {
  return X_NAMES[index === NOWHERE ? 0 : index >> 1]!;
}

function f(index: number): string {
  return F_NAMES[index >> 1]!;
}

/** The operands of each format, as the assembler takes them. Targets of jumps are absolute. */
const OPERANDS: Readonly<Record<Format, (insn: Insn, pc: number) => string>> = {
  R: (i) => `${x(i.rd)},${x(i.rs1)},${x(i.rs2)}`,
  I: (i) => `${x(i.rd)},${x(i.rs1)},${i.imm}`,
  shift: (i) => `${x(i.rd)},${x(i.rs1)},0x${i.imm.toString(16)}`,
  shiftw: (i) => `${x(i.rd)},${x(i.rs1)},0x${i.imm.toString(16)}`,
  load: (i) => `${x(i.rd)},${i.imm}(${x(i.rs1)})`,
  store: (i) => `${x(i.rs2)},${i.imm}(${x(i.rs1)})`,
  branch: (i, pc) => `${x(i.rs1)},${x(i.rs2)},${(pc + i.imm).toString(16)}`,
  U: (i) => `${x(i.rd)},0x${(i.imm >>> 12).toString(16)}`,
  J: (i, pc) => `${x(i.rd)},${(pc + i.imm).toString(16)}`,
  jalr: (i) => `${x(i.rd)},${i.imm}(${x(i.rs1)})`,
  none: () => '',
  fence: () => '',
  csr: (i) => `${x(i.rd)},${csrName(i.imm)},${x(i.rs1)}`,
  csri: (i) => `${x(i.rd)},${csrName(i.imm)},${(i.word >>> 15) & 31}`,
  amo: (i) => `${x(i.rd)},${x(i.rs2)},(${x(i.rs1)})`,
  lr: (i) => `${x(i.rd)},(${x(i.rs1)})`,
  fload: (i) => `${f(i.rd)},${i.imm}(${x(i.rs1)})`,
  fstore: (i) => `${f(i.rs2)},${i.imm}(${x(i.rs1)})`,
  fR: (i) => `${f(i.rd)},${f(i.rs1)},${f(i.rs2)}`,
  fRrm: (i) => `${f(i.rd)},${f(i.rs1)},${f(i.rs2)}${rounding(i)}`,
  fR4: (i) => `${f(i.rd)},${f(i.rs1)},${f(i.rs2)},${f(i.rs3)}${rounding(i)}`,
  f1rm: (i) => `${f(i.rd)},${f(i.rs1)}${rounding(i)}`,
  fcmp: (i) => `${x(i.rd)},${f(i.rs1)},${f(i.rs2)}`,
  fclass: (i) => `${x(i.rd)},${f(i.rs1)}`,
  fromInt: (i) => `${f(i.rd)},${x(i.rs1)}${rounding(i)}`,
  toInt: (i) => `${x(i.rd)},${f(i.rs1)}${rounding(i)}`,
  moveToInt: (i) => `${x(i.rd)},${f(i.rs1)}`,
  moveFromInt: (i) => `${f(i.rd)},${x(i.rs1)}`,
};

function csrName(csr: number): string {
  return CSR_NAMES.get(csr) ?? `0x${csr.toString(16)}`;
}

/** What is always exact needs no rounding mode, and has none unless it is an unusual one. */
const EXACT: ReadonlySet<string> = new Set(['fcvt.d.s', 'fcvt.d.w', 'fcvt.d.wu']);

function rounding({ imm, definition: { name } }: Insn): string {
  return !ROUNDING[imm] || (imm === 0 && EXACT.has(name)) ? '' : `,${ROUNDING[imm]}`;
}

/** Ordering of an atomic access: its acquire and release bits. */
function ordering({ word, definition: { format } }: Insn): string {
  if (format !== 'amo' && format !== 'lr') return '';
  return ['', '.rl', '.aq', '.aqrl'][(word >>> 25) & 3]!;
}

/** One line of assembly without aliases: `addi a0,a0,1`. `pc` is the instruction's address. */
export function disassemble(insn: Insn, pc: number): string {
  const { name, format } = insn.definition;
  const operands = OPERANDS[format](insn, pc);
  return `${name}${ordering(insn)}${operands === '' ? '' : ` ${operands}`}`;
}
