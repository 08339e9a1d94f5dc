import { Op } from '../wasm/op.js';
import { define } from './define.js';
import { arithmetic as emitArithmetic, fused as emitFused } from './emit-float.js';
import { accrue, doubleOf, isQuick, putDouble, putSingle, roundingOf, singleOf } from './float-registers.js';
import type { Definition, Exec } from './instruction.js';
import { FLOAT_CONVERSIONS } from './ops-float-convert.js';
import { FLOAT_MOVES } from './ops-float-move.js';
import {
  quickMultiplyAdd,
  quickMultiplyAddSingle,
  quickProduct,
  quickProductSingle,
  quickSum,
  quickSumSingle,
} from './quick-float.js';
import { DOUBLE, type FloatFormat, pack, SINGLE, unpack, type Value } from './soft-float.js';
import { add, divide, multiply, multiplyAdd, negate, squareRoot } from './soft-float-ops.js';
import { Trap } from './trap.js';

/** One operation of two registers, in both of its forms. */
interface Arithmetic {
  quick(a: number, b: number): number;
  exact(format: FloatFormat, a: Value, b: Value, rounding: number): Value;
}

const ADD: Arithmetic = { quick: (a, b) => a + b, exact: (_, a, b, rounding) => add(a, b, rounding) };
const SUB: Arithmetic = { quick: (a, b) => a - b, exact: (_, a, b, rounding) => add(a, negated(b), rounding) };
const MUL: Arithmetic = { quick: (a, b) => a * b, exact: (_, a, b) => multiply(a, b) };
const DIV: Arithmetic = { quick: (a, b) => a / b, exact: divide };
const SQRT: Arithmetic = { quick: (a) => Math.sqrt(a), exact: (format, a) => squareRoot(format, a) };

/** NaNs keep quiet about their sign, so they need no care. */
function negated(value: Value): Value {
  return negate(value);
}

function arithmetic(format: FloatFormat, { quick, exact }: Arithmetic): Exec {
  const isSum = exact === ADD.exact || exact === SUB.exact;
  const { isDouble } = format;
  const check = isDouble ? (isSum ? quickSum : quickProduct) : isSum ? quickSumSingle : quickProductSingle;
  const read = isDouble ? doubleOf : singleOf;
  const write = isDouble ? putDouble : putSingle;
  return (cpu, insn) => {
    const rounding = roundingOf(cpu, insn);
    if (rounding > 4) return Trap.illegal;
    if (isQuick(cpu, rounding)) {
      const result = check(quick(read(cpu, insn.rs1), read(cpu, insn.rs2)));
      // A quotient by zero is infinite and a root of less than zero is NaN, so both get to the reference.
      if (!Number.isNaN(result)) return write(cpu, insn.rd, result);
    }
    const [a, b] = [unpack(format, cpu.f, insn.rs1), unpack(format, cpu.f, insn.rs2)];
    pack(format, exact(format, a, b, rounding), rounding, { f: cpu.f, index: insn.rd });
    return accrue(cpu);
  };
}

/** ±(a * b) ± c: which of the two signs are turned. */
interface Signs {
  readonly product: boolean;
  readonly addend: boolean;
}

function fused(format: FloatFormat, { product, addend }: Signs): Exec {
  const quick = format.isDouble ? quickMultiplyAdd : quickMultiplyAddSingle;
  const read = format.isDouble ? doubleOf : singleOf;
  const write = format.isDouble ? putDouble : putSingle;
  return (cpu, insn) => {
    const rounding = roundingOf(cpu, insn);
    if (rounding > 4) return Trap.illegal;
    if (isQuick(cpu, rounding)) {
      const [a, c] = [read(cpu, insn.rs1), read(cpu, insn.rs3)];
      const result = quick(product ? -a : a, read(cpu, insn.rs2), addend ? -c : c);
      if (!Number.isNaN(result)) return write(cpu, insn.rd, result);
    }
    const [a, b, c] = [insn.rs1, insn.rs2, insn.rs3].map((index) => unpack(format, cpu.f, index)) as [
      Value,
      Value,
      Value,
    ];
    const sum = multiplyAdd(product ? negate(a) : a, b, { c: addend ? negate(c) : c, rounding });
    pack(format, sum, rounding, { f: cpu.f, index: insn.rd });
    return accrue(cpu);
  };
}

function arithmeticOf(format: FloatFormat): Definition[] {
  const suffix = format.isDouble ? '.d' : '.s';
  const fmt = format.isDouble ? 1 : 0;
  const native = (double: number, single: number) => (format.isDouble ? double : single);
  const code = (funct5: number) => 0x53 | (funct5 << 27) | (fmt << 25);
  return [
    define(`fadd${suffix}`, 'fRrm', code(0), arithmetic(format, ADD), emitArithmetic(format, native(Op.f64Add, Op.f32Add), { isSum: true })),
    define(`fsub${suffix}`, 'fRrm', code(1), arithmetic(format, SUB), emitArithmetic(format, native(Op.f64Sub, Op.f32Sub), { isSum: true })),
    define(`fmul${suffix}`, 'fRrm', code(2), arithmetic(format, MUL), emitArithmetic(format, native(Op.f64Mul, Op.f32Mul))),
    define(`fdiv${suffix}`, 'fRrm', code(3), arithmetic(format, DIV), emitArithmetic(format, native(Op.f64Div, Op.f32Div))),
    define(`fsqrt${suffix}`, 'f1rm', code(11), arithmetic(format, SQRT), emitArithmetic(format, native(Op.f64Sqrt, Op.f32Sqrt), { isRoot: true })),
    define(`fmadd${suffix}`, 'fR4', 0x43 | (fmt << 25), fused(format, { product: false, addend: false }), emitFused(format, { product: false, addend: false })),
    define(`fmsub${suffix}`, 'fR4', 0x47 | (fmt << 25), fused(format, { product: false, addend: true }), emitFused(format, { product: false, addend: true })),
    define(`fnmsub${suffix}`, 'fR4', 0x4b | (fmt << 25), fused(format, { product: true, addend: false }), emitFused(format, { product: true, addend: false })),
    define(`fnmadd${suffix}`, 'fR4', 0x4f | (fmt << 25), fused(format, { product: true, addend: true }), emitFused(format, { product: true, addend: true })),
  ];
}

/** RV64F and RV64D. */
export const FLOAT: readonly Definition[] = [
  ...FLOAT_MOVES,
  ...FLOAT_CONVERSIONS,
  ...arithmeticOf(SINGLE),
  ...arithmeticOf(DOUBLE),
];
