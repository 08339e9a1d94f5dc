import { Op } from '../wasm/op.js';
import { define } from './define.js';
import { type ArithmeticKind, arithmetic as emitArithmetic, fused as emitFused } from './emit-float.js';
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

/** One operation of two registers, or of one, in each of its forms. */
interface Arithmetic {
  readonly kind: ArithmeticKind;
  /** WebAssembly's. */
  readonly double: number;
  readonly single: number;
  quick(a: number, b: number): number;
  exact(format: FloatFormat, a: Value, b: Value, rounding: number): Value;
}

const ADD: Arithmetic = {
  kind: 'sum',
  double: Op.f64Add,
  single: Op.f32Add,
  quick: (a, b) => a + b,
  exact: (_, a, b, rounding) => add(a, b, rounding),
};
const SUB: Arithmetic = {
  kind: 'sum',
  double: Op.f64Sub,
  single: Op.f32Sub,
  quick: (a, b) => a - b,
  exact: (_, a, b, rounding) => add(a, negated(b), rounding),
};
const MUL: Arithmetic = {
  kind: 'product',
  double: Op.f64Mul,
  single: Op.f32Mul,
  quick: (a, b) => a * b,
  exact: (_, a, b) => multiply(a, b),
};
const DIV: Arithmetic = {
  kind: 'product',
  double: Op.f64Div,
  single: Op.f32Div,
  quick: (a, b) => a / b,
  exact: divide,
};
const SQRT: Arithmetic = {
  kind: 'root',
  double: Op.f64Sqrt,
  single: Op.f32Sqrt,
  quick: (a) => Math.sqrt(a),
  exact: (format, a) => squareRoot(format, a),
};

/** NaNs keep quiet about their sign, so they need no care. */
function negated(value: Value): Value {
  return negate(value);
}

function arithmetic(format: FloatFormat, { kind, quick, exact }: Arithmetic): Exec {
  const isSum = kind === 'sum';
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

const ARITHMETIC: readonly (readonly [name: string, funct5: number, Arithmetic])[] = [
  ['fadd', 0, ADD],
  ['fsub', 1, SUB],
  ['fmul', 2, MUL],
  ['fdiv', 3, DIV],
  ['fsqrt', 11, SQRT],
];

const FUSED: readonly (readonly [name: string, opcode: number, Signs])[] = [
  ['fmadd', 0x43, { product: false, addend: false }],
  ['fmsub', 0x47, { product: false, addend: true }],
  ['fnmsub', 0x4b, { product: true, addend: false }],
  ['fnmadd', 0x4f, { product: true, addend: true }],
];

function arithmeticOf(format: FloatFormat): Definition[] {
  const suffix = format.isDouble ? '.d' : '.s';
  const fmt = format.isDouble ? 1 << 25 : 0;
  return [
    ...ARITHMETIC.map(([name, funct5, of]) => {
      const op = format.isDouble ? of.double : of.single;
      const code = 0x53 | (funct5 << 27) | fmt;
      return define(
        name + suffix,
        of.kind === 'root' ? 'f1rm' : 'fRrm',
        code,
        arithmetic(format, of),
        emitArithmetic(format, op, of.kind),
      );
    }),
    ...FUSED.map(([name, opcode, signs]) =>
      define(name + suffix, 'fR4', opcode | fmt, fused(format, signs), emitFused(format, signs)),
    ),
  ];
}

/** RV64F and RV64D. */
export const FLOAT: readonly Definition[] = [
  ...FLOAT_MOVES,
  ...FLOAT_CONVERSIONS,
  ...arithmeticOf(SINGLE),
  ...arithmeticOf(DOUBLE),
];
