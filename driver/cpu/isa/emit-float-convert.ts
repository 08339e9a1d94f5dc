import { At } from '../wasm/core-layout.js';
import type { Emit, Emitter } from '../wasm/emitter.js';
import { Op } from '../wasm/op.js';
import { byReference } from './emit.js';
import {
  demand,
  demandBoxed,
  demandQuick,
  high,
  low,
  nativeOf,
  orReference,
  putFloat,
  roundsToNearest,
} from './emit-float.js';
import { CANONICAL_NAN } from './float-registers.js';
import type { Insn } from './instruction.js';
import { DOUBLE, Flag, type FloatFormat, Round, SINGLE } from './soft-float.js';

const SIGN_32 = -(2 ** 31);
const SIGN_64 = -(2 ** 63);

/** Pushes the bits of a single, the default NaN's when it is not boxed. */
function pushSingleBits(e: Emitter, index: number): void {
  e.load(Op.i32Load, low(index));
  e.i32(CANONICAL_NAN);
  e.load(Op.i32Load, high(index));
  e.i32(-1);
  e.op(Op.i32Eq, Op.select);
}

/** Which signs, as one bit of each operand's, turn the first operand's. */
export type Turn = 'differs' | 'equals' | 'second';

/** The first operand with another sign. */
export function changeSign(format: FloatFormat, turn: Turn): Emit {
  const [xor, and] = format.isDouble ? [Op.i64Xor, Op.i64And] : [Op.i32Xor, Op.i32And];
  return (e, { rd, rs1, rs2 }) => {
    const push = (index: number) => (format.isDouble ? e.load(Op.i64Load, low(index)) : pushSingleBits(e, index));
    const constant = (value: number) => (format.isDouble ? e.i64(value) : e.i32(value));
    const result = () => {
      push(rs1);
      push(rs2);
      if (turn !== 'second') {
        push(rs1);
        e.op(xor);
      }
      if (turn === 'equals') {
        constant(-1);
        e.op(xor);
      }
      constant(format.isDouble ? SIGN_64 : SIGN_32);
      e.op(and, xor);
    };
    e.store(format.isDouble ? Op.i64Store : Op.i32Store, low(rd), result);
    if (!format.isDouble) e.store(Op.i32Store, high(rd), () => e.i32(-1));
  };
}

export const loadDouble: Emit = (e, insn) => {
  e.loadGuest(insn, Op.i64Load, 8);
  e.set(e.wide[0]);
  e.store(Op.i64Store, low(insn.rd), () => e.get(e.wide[0]));
};

/** Boxes what the function pushes, an i64 whose low half counts. */
function putSingleBits(e: Emitter, rd: number, push: () => void): void {
  push();
  e.set(e.wide[0]);
  e.store(Op.i64Store32, low(rd), () => e.get(e.wide[0]));
  e.store(Op.i32Store, high(rd), () => e.i32(-1));
}

export const loadSingle: Emit = (e, insn) => putSingleBits(e, insn.rd, () => e.loadGuest(insn, Op.i64Load32U, 4));

export function storeFloat(op: number, size: number): Emit {
  return (e, insn) => e.storeGuest(insn, op, { size, value: () => e.load(Op.i64Load, low(insn.rs2)) });
}

export function moveToInt(op: number): Emit {
  return (e, { rd, rs1 }) => {
    e.load(op, low(rs1));
    e.put(rd);
  };
}

export const moveDoubleFromInt: Emit = (e, { rd, rs1 }) => e.store(Op.i64Store, low(rd), () => e.reg(rs1));

export const moveSingleFromInt: Emit = (e, { rd, rs1 }) => putSingleBits(e, rd, () => e.reg(rs1));

/** Between which numbers, both excluded, a float is cut off to an integer of the type; and how. */
export interface Cut {
  readonly above: number;
  readonly below: number;
  readonly ops: readonly number[];
}

/** Towards zero, which is what C asks for. */
export function floatToInt(format: FloatFormat, { above, below, ops }: Cut): Emit {
  return (e, insn) => {
    if (insn.imm !== Round.toZero) byReference(e, insn);
    else
      orReference(e, insn, (slow) => {
        e.load(Op.i32Load, At.fcsr);
        e.i32(Flag.inexact);
        e.op(Op.i32And);
        demand(e, slow);
        demandBoxed(e, format, { registers: [insn.rs1], slow });
        e.load(nativeOf(format).load, low(insn.rs1));
        if (!format.isDouble) e.op(Op.f64PromoteF32);
        e.tee(e.double);
        e.f64(above);
        e.op(Op.f64Gt);
        e.get(e.double);
        e.f64(below);
        e.op(Op.f64Lt, Op.i32And);
        demand(e, slow);
        e.get(e.double);
        e.op(...ops);
        e.put(insn.rd);
      });
  };
}

/** `isExact`: every number of the type is one of the format. */
export function intToFloat(
  format: FloatFormat,
  op: number,
  { isWide, isExact }: { isWide: boolean; isExact: boolean },
): Emit {
  const convert = (e: Emitter, insn: Insn) => {
    if (isWide) e.reg(insn.rs1);
    else e.low(insn.rs1);
    e.op(op);
    e.set(nativeOf(format).local(e));
    putFloat(e, format, insn.rd);
  };
  return (e, insn) => {
    if (!roundsToNearest(insn)) byReference(e, insn);
    else if (isExact && insn.imm !== 7) convert(e, insn);
    else
      orReference(e, insn, (slow) => {
        demandQuick(e, insn, slow);
        convert(e, insn);
      });
  };
}

export const doubleToSingle: Emit = (e, insn) => {
  if (!roundsToNearest(insn)) {
    byReference(e, insn);
    return;
  }
  const { single } = e;
  orReference(e, insn, (slow) => {
    demandQuick(e, insn, slow);
    e.load(Op.f64Load, low(insn.rs1));
    e.op(Op.f32DemoteF64);
    e.tee(single);
    e.op(Op.f32Abs);
    e.f32(Number.POSITIVE_INFINITY);
    e.op(Op.f32Lt);
    e.get(single);
    e.op(Op.f32Abs);
    e.f32(nativeOf(SINGLE).smallest);
    e.op(Op.f32Gt, Op.i32And);
    demand(e, slow);
    putFloat(e, SINGLE, insn.rd);
  });
};

/** Exact but for NaNs; a rounding mode that is none traps. */
export const singleToDouble: Emit = (e, insn) =>
  insn.imm > 4
    ? byReference(e, insn)
    : orReference(e, insn, (slow) => {
        demandBoxed(e, SINGLE, { registers: [insn.rs1], slow });
        e.load(Op.f32Load, low(insn.rs1));
        e.tee(e.single);
        e.get(e.single);
        e.op(Op.f32Eq);
        demand(e, slow);
        e.get(e.single);
        e.op(Op.f64PromoteF32);
        e.set(e.double);
        putFloat(e, DOUBLE, insn.rd);
      });
