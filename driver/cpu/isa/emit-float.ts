import { At } from '../wasm/core-layout.js';
import { type Emit, type Emitter, Imported } from '../wasm/emitter.js';
import { Op } from '../wasm/op.js';
import { byReference } from './emit.js';
import type { Insn } from './instruction.js';
import { Flag, type FloatFormat, Round } from './soft-float.js';

/** A format as WebAssembly has it: operations, and the smallest number that is not subnormal. */
interface Native {
  readonly load: number;
  readonly store: number;
  readonly abs: number;
  readonly lt: number;
  readonly eq: number;
  readonly le: number;
  readonly smallest: number;
  constant(e: Emitter, value: number): void;
  local(e: Emitter): number;
}

const NATIVE_DOUBLE: Native = {
  load: Op.f64Load,
  store: Op.f64Store,
  abs: Op.f64Abs,
  lt: Op.f64Lt,
  eq: Op.f64Eq,
  le: Op.f64Le,
  smallest: 2 ** -1022,
  constant: (e, value) => e.f64(value),
  local: (e) => e.double,
};

const NATIVE_SINGLE: Native = {
  load: Op.f32Load,
  store: Op.f32Store,
  abs: Op.f32Abs,
  lt: Op.f32Lt,
  eq: Op.f32Eq,
  le: Op.f32Le,
  smallest: 2 ** -126,
  constant: (e, value) => e.f32(value),
  local: (e) => e.single,
};

export const nativeOf = (format: FloatFormat): Native => (format.isDouble ? NATIVE_DOUBLE : NATIVE_SINGLE);

/** Where a float register and its high half are. */
export const low = (index: number): number => At.f + 4 * index;
export const high = (index: number): number => low(index) + 4;

/** Writes `fast`; wherever that branches to its argument, the reference runs instead. */
export function orReference(e: Emitter, insn: Insn, fast: (slow: object) => void): void {
  const [done, slow] = [{}, {}];
  e.open(Op.block, done);
  e.open(Op.block, slow);
  fast(slow);
  e.branch(Op.br, done);
  e.close();
  byReference(e, insn);
  e.close();
}

export function demand(e: Emitter, slow: object): void {
  e.op(Op.i32Eqz);
  e.branch(Op.brIf, slow);
}

/** May the results of this instruction come from WebAssembly at all? It knows rounding to nearest even alone. */
export function roundsToNearest({ imm }: Insn): boolean {
  return imm === Round.nearestEven || imm === 7;
}

/** The inexact flag must be up already, and the rounding mode to nearest even: then only the result can differ. */
export function demandQuick(e: Emitter, { imm }: Insn, slow: object): void {
  e.load(Op.i32Load, At.fcsr);
  e.i32(imm === 7 ? Flag.inexact | 0xe0 : Flag.inexact);
  e.op(Op.i32And);
  e.i32(Flag.inexact);
  e.op(Op.i32Ne);
  e.branch(Op.brIf, slow);
}

/** Singles must be boxed; doubles are what they are. */
export function demandBoxed(
  e: Emitter,
  format: FloatFormat,
  { registers, slow }: { registers: readonly number[]; slow: object },
): void {
  if (format.isDouble) return;
  registers.forEach((index, i) => {
    e.load(Op.i32Load, high(index));
    if (i > 0) e.op(Op.i32And);
  });
  e.i32(-1);
  e.op(Op.i32Ne);
  e.branch(Op.brIf, slow);
}

/** Writes the format's result local to a register. */
export function putFloat(e: Emitter, format: FloatFormat, rd: number): void {
  const native = nativeOf(format);
  e.store(native.store, low(rd), () => e.get(native.local(e)));
  if (!format.isDouble) e.store(Op.i32Store, high(rd), () => e.i32(-1));
}

function pushFinite(e: Emitter, native: Native): void {
  e.get(native.local(e));
  e.op(native.abs);
  native.constant(e, Number.POSITIVE_INFINITY);
  e.op(native.lt);
}

/** No result that is small may have been rounded as a subnormal: zeroes are exact where an operand is one. */
function demandNormal(
  e: Emitter,
  native: Native,
  { operands, slow }: { operands: readonly number[]; slow: object },
): void {
  const fine = {};
  e.open(Op.block, fine);
  native.constant(e, native.smallest);
  e.get(native.local(e));
  e.op(native.abs, native.lt);
  e.branch(Op.brIf, fine);
  operands.forEach((index, i) => {
    e.load(native.load, low(index));
    native.constant(e, 0);
    e.op(native.eq);
    if (i > 0) e.op(Op.i32Or);
  });
  demand(e, slow);
  e.close();
}

/** Small sums are exact, small products, quotients and roots may not be. */
export type ArithmeticKind = 'sum' | 'product' | 'root';

/** An operation of two registers, or the root of one. */
export function arithmetic(format: FloatFormat, op: number, kind: ArithmeticKind): Emit {
  const native = nativeOf(format);
  return (e, insn) => {
    const operands = kind === 'root' ? [insn.rs1] : [insn.rs1, insn.rs2];
    if (!roundsToNearest(insn)) byReference(e, insn);
    else
      orReference(e, insn, (slow) => {
        demandQuick(e, insn, slow);
        demandBoxed(e, format, { registers: operands, slow });
        for (const index of operands) e.load(native.load, low(index));
        e.op(op);
        e.set(native.local(e));
        pushFinite(e, native);
        demand(e, slow);
        if (kind !== 'sum') demandNormal(e, native, { operands, slow });
        putFloat(e, format, insn.rd);
      });
  };
}

/** What WebAssembly has no instruction for: a function of ours, whose NaN says that it does not know. */
export function fused(format: FloatFormat, { product, addend }: { product: boolean; addend: boolean }): Emit {
  return (e, insn) => {
    const push = (index: number, isNegated: boolean) => {
      e.load(nativeOf(format).load, low(index));
      if (!format.isDouble) e.op(Op.f64PromoteF32);
      if (isNegated) e.op(Op.f64Neg);
    };
    if (!roundsToNearest(insn)) byReference(e, insn);
    else
      orReference(e, insn, (slow) => {
        demandQuick(e, insn, slow);
        demandBoxed(e, format, { registers: [insn.rs1, insn.rs2, insn.rs3], slow });
        push(insn.rs1, product);
        push(insn.rs2, false);
        push(insn.rs3, addend);
        e.call(format.isDouble ? Imported.fma : Imported.fmaSingle);
        e.tee(e.double);
        e.get(e.double);
        e.op(Op.f64Eq);
        demand(e, slow);
        if (!format.isDouble) {
          e.get(e.double);
          e.op(Op.f32DemoteF64);
          e.set(e.single);
        }
        putFloat(e, format, insn.rd);
      });
  };
}

export function compareFloats(format: FloatFormat, op: number): Emit {
  const native = nativeOf(format);
  return (e, insn) =>
    orReference(e, insn, (slow) => {
      demandBoxed(e, format, { registers: [insn.rs1, insn.rs2], slow });
      for (const index of [insn.rs1, insn.rs2]) {
        e.load(native.load, low(index));
        e.load(native.load, low(index));
        e.op(native.eq);
      }
      e.op(Op.i32And);
      demand(e, slow);
      e.load(native.load, low(insn.rs1));
      e.load(native.load, low(insn.rs2));
      e.op(op, Op.i64ExtendI32U);
      e.put(insn.rd);
    });
}
