import type { Emit } from '../wasm/emitter.js';
import { Op } from '../wasm/op.js';
import type { Format } from './instruction.js';

/** Code that many instructions have alike. */

/** A 64-bit operation on two registers. */
export function binary(op: number): Emit {
  return (e, { rd, rs1, rs2 }) => {
    e.reg(rs1);
    e.reg(rs2);
    e.op(op);
    e.put(rd);
  };
}

/** The same of a register and the immediate. */
export function immediate(op: number): Emit {
  return (e, { rd, rs1, imm }) => {
    e.reg(rs1);
    e.i64(imm);
    e.op(op);
    e.put(rd);
  };
}

/** A comparison of two registers, as 1 or 0. */
export function compare(op: number): Emit {
  return (e, { rd, rs1, rs2 }) => {
    e.reg(rs1);
    e.reg(rs2);
    e.op(op, Op.i64ExtendI32U);
    e.put(rd);
  };
}

export function compareImmediate(op: number): Emit {
  return (e, { rd, rs1, imm }) => {
    e.reg(rs1);
    e.i64(imm);
    e.op(op, Op.i64ExtendI32U);
    e.put(rd);
  };
}

/** A 32-bit operation on the low halves, sign-extended. */
export function word(op: number): Emit {
  return (e, { rd, rs1, rs2 }) => {
    e.low(rs1);
    e.low(rs2);
    e.op(op, Op.i64ExtendI32S);
    e.put(rd);
  };
}

export function wordImmediate(op: number): Emit {
  return (e, { rd, rs1, imm }) => {
    e.low(rs1);
    e.i32(imm);
    e.op(op, Op.i64ExtendI32S);
    e.put(rd);
  };
}

/** Formats whose integer registers the reference reads, and those whose result is one. */
const READS_BOTH: ReadonlySet<Format> = new Set(['R', 'amo']);
const READS_FIRST: ReadonlySet<Format> = new Set(['R', 'amo', 'lr', 'csr', 'fromInt', 'moveFromInt']);
const WRITES: ReadonlySet<Format> = new Set(['R', 'amo', 'lr', 'csr', 'csri', 'fcmp', 'fclass', 'toInt', 'moveToInt']);

/** What is rare, or too much for a few words of code: a call of the reference. */
export const byReference: Emit = (e, insn) => {
  const { format } = insn.definition;
  const reads = [READS_FIRST.has(format) ? insn.rs1 : 0, READS_BOTH.has(format) ? insn.rs2 : 0];
  e.byReference(insn, { reads, writes: WRITES.has(format) });
};

/** What never is inside compiled code: branches and jumps, which compiler/ knows, and what ends a region. */
export const endsBlock: Emit = (_, { definition: { name } }) => {
  throw new Error(`${name} is no instruction of the inside of a block`);
};
