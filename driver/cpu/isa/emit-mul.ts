import type { Emit, Emitter } from '../wasm/emitter.js';
import { Op, Type } from '../wasm/op.js';

/** RV64M's divisions trap nowhere, WebAssembly's do: by zero, and of the smallest number by -1. */

/** Pushes `whenZero` if the divisor that `by` pushes is 0, else `otherwise`. */
function unlessZero(
  e: Emitter,
  type: number,
  { by, whenZero, otherwise }: Record<'by' | 'whenZero' | 'otherwise', () => void>,
) {
  by();
  e.op(type === Type.i64 ? Op.i64Eqz : Op.i32Eqz);
  e.open(Op.if, {}, type);
  whenZero();
  e.op(Op.else);
  otherwise();
  e.close();
}

/** A quotient; one by -1 is a difference. */
export function divide(op: number): Emit {
  return (e, { rd, rs1, rs2 }) => {
    const [a, b] = [() => e.reg(rs1), () => e.reg(rs2)];
    const quotient = () => pushAll(e, [a, b], op);
    const whenMinusOne = () => pushAll(e, [() => e.i64(0), a], Op.i64Sub);
    const isMinusOne = () => pushAll(e, [b, () => e.i64(-1)], Op.i64Eq);
    const otherwise = op === Op.i64DivU ? quotient : () => choose(e, Type.i64, [isMinusOne, whenMinusOne, quotient]);
    unlessZero(e, Type.i64, { by: b, whenZero: () => e.i64(-1), otherwise });
    e.put(rd);
  };
}

export function divideWord(op: number): Emit {
  return (e, { rd, rs1, rs2 }) => {
    const [a, b] = [() => e.low(rs1), () => e.low(rs2)];
    const quotient = () => pushAll(e, [a, b], op);
    const whenMinusOne = () => pushAll(e, [() => e.i32(0), a], Op.i32Sub);
    const isMinusOne = () => pushAll(e, [b, () => e.i32(-1)], Op.i32Eq);
    const otherwise = op === Op.i32DivU ? quotient : () => choose(e, Type.i32, [isMinusOne, whenMinusOne, quotient]);
    unlessZero(e, Type.i32, { by: b, whenZero: () => e.i32(-1), otherwise });
    e.op(Op.i64ExtendI32S);
    e.put(rd);
  };
}

export function remainder(op: number): Emit {
  return (e, insn) => {
    const [a, b] = [() => e.reg(insn.rs1), () => e.reg(insn.rs2)];
    unlessZero(e, Type.i64, { by: b, whenZero: a, otherwise: () => pushAll(e, [a, b], op) });
    e.put(insn.rd);
  };
}

export function remainderWord(op: number): Emit {
  return (e, insn) => {
    const [a, b] = [() => e.low(insn.rs1), () => e.low(insn.rs2)];
    unlessZero(e, Type.i32, { by: b, whenZero: a, otherwise: () => pushAll(e, [a, b], op) });
    e.op(Op.i64ExtendI32S);
    e.put(insn.rd);
  };
}

function pushAll(e: Emitter, values: readonly (() => void)[], op: number): void {
  for (const value of values) value();
  e.op(op);
}

function choose(e: Emitter, type: number, [condition, yes, no]: readonly [() => void, () => void, () => void]): void {
  condition();
  e.open(Op.if, {}, type);
  yes();
  e.op(Op.else);
  no();
  e.close();
}

const LOW = 2 ** 32 - 1;

/** The high half of a product, put together of four; operands that are signed are taken from it where they are negative. */
export function highProduct(isSignedA: boolean, isSignedB: boolean): Emit {
  return (e, insn) => {
    const [a, b] = [() => e.reg(insn.rs1), () => e.reg(insn.rs2)];
    const low = (x: () => void) => () => pushAll(e, [x, () => e.i64(LOW)], Op.i64And);
    const high = (x: () => void) => () => pushAll(e, [x, () => e.i64(32)], Op.i64ShrU);
    const times = (x: () => void, y: () => void) => () => pushAll(e, [x, y], Op.i64Mul);
    const plus = (x: () => void, y: () => void) => () => pushAll(e, [x, y], Op.i64Add);
    const [t, u] = e.wide;
    plus(times(high(a), low(b)), high(times(low(a), low(b))))();
    e.set(t);
    const [getT, getU] = [() => e.get(t), () => e.get(u)];
    plus(times(low(a), high(b)), low(getT))();
    e.set(u);
    plus(plus(times(high(a), high(b)), high(getT)), high(getU))();
    if (isSignedA) subtractIfNegative(e, a, b);
    if (isSignedB) subtractIfNegative(e, b, a);
    e.put(insn.rd);
  };
}

function subtractIfNegative(e: Emitter, sign: () => void, value: () => void): void {
  sign();
  e.i64(63);
  e.op(Op.i64ShrS);
  value();
  e.op(Op.i64And, Op.i64Sub);
}
