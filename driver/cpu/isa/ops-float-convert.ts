import { Op } from '../wasm/op.js';
import { define } from './define.js';
import {
  doubleToSingle as emitDoubleToSingle,
  singleToDouble as emitSingleToDouble,
  floatToInt,
  intToFloat,
} from './emit-float-convert.js';
import { accrue, doubleOf, isQuick, putDouble, putSingle, roundingOf, singleOf } from './float-registers.js';
import type { Definition, Exec } from './instruction.js';
import { put, putNumber } from './int64.js';
import { quickProductSingle } from './quick-float.js';
import { DOUBLE, Flag, type FloatFormat, pack, Round, SINGLE, unpack } from './soft-float.js';
import { convert, fromInteger, toInteger } from './soft-float-ops.js';
import { Trap } from './trap.js';

/** The four integer types in the order of their codes in the rs2 field. */
const INTEGERS = [
  {
    letter: 'w',
    isWide: false,
    isSigned: true,
    limit: 2 ** 31,
    cut: { above: -(2 ** 31) - 1, below: 2 ** 31, ops: [Op.i32TruncF64S, Op.i64ExtendI32S] },
    toDouble: Op.f64ConvertI32S,
    toSingle: Op.f32ConvertI32S,
  },
  {
    letter: 'wu',
    isWide: false,
    isSigned: false,
    limit: 2 ** 31,
    cut: { above: -1, below: 2 ** 32, ops: [Op.i32TruncF64U, Op.i64ExtendI32S] },
    toDouble: Op.f64ConvertI32U,
    toSingle: Op.f32ConvertI32U,
  },
  {
    letter: 'l',
    isWide: true,
    isSigned: true,
    limit: 2 ** 53,
    cut: { above: -(2 ** 63), below: 2 ** 63, ops: [Op.i64TruncF64S] },
    toDouble: Op.f64ConvertI64S,
    toSingle: Op.f32ConvertI64S,
  },
  {
    letter: 'lu',
    isWide: true,
    isSigned: false,
    limit: 2 ** 53,
    cut: { above: -1, below: 2 ** 64, ops: [Op.i64TruncF64U] },
    toDouble: Op.f64ConvertI64U,
    toSingle: Op.f32ConvertI64U,
  },
] as const;
type Integer = (typeof INTEGERS)[number];

/** Towards zero, which is what C asks for, numbers within the type are cut off by JavaScript. */
function floatToInteger(format: FloatFormat, integer: Integer): Exec {
  const read = format.isDouble ? doubleOf : singleOf;
  return (cpu, insn) => {
    const rounding = roundingOf(cpu, insn);
    if (rounding > 4) return Trap.illegal;
    if (rounding === Round.toZero) {
      const value = read(cpu, insn.rs1);
      if (value < integer.limit && value > (integer.isSigned ? -integer.limit : -1)) {
        const cut = Math.trunc(value);
        if (cut !== value) cpu.fcsr |= Flag.inexact;
        return putNumber(cpu.x, insn.rd, cut);
      }
    }
    const { lo, hi } = toInteger(unpack(format, cpu.f, insn.rs1), rounding, integer);
    put(cpu.x, insn.rd, lo, hi);
    return accrue(cpu);
  };
}

function integerToFloat(format: FloatFormat, integer: Integer): Exec {
  return (cpu, insn) => {
    const rounding = roundingOf(cpu, insn);
    if (rounding > 4) return Trap.illegal;
    const [lo, hi] = [cpu.x[insn.rs1]!, cpu.x[insn.rs1 + 1]!];
    if (format.isDouble && !integer.isWide) return putDouble(cpu, insn.rd, integer.isSigned ? lo : lo >>> 0);
    if (format.isDouble && hi < 2 ** 20 && hi >= (integer.isSigned ? -(2 ** 20) : 0)) {
      return putDouble(cpu, insn.rd, hi * 2 ** 32 + (lo >>> 0));
    }
    pack(format, fromInteger(lo, hi, integer), rounding, { f: cpu.f, index: insn.rd });
    return accrue(cpu);
  };
}

const singleToDouble: Exec = (cpu, insn) => {
  if (roundingOf(cpu, insn) > 4) return Trap.illegal;
  const value = singleOf(cpu, insn.rs1);
  if (!Number.isNaN(value)) return putDouble(cpu, insn.rd, value);
  pack(DOUBLE, convert(unpack(SINGLE, cpu.f, insn.rs1)), Round.nearestEven, { f: cpu.f, index: insn.rd });
  return accrue(cpu);
};

const doubleToSingle: Exec = (cpu, insn) => {
  const rounding = roundingOf(cpu, insn);
  if (rounding > 4) return Trap.illegal;
  if (isQuick(cpu, rounding)) {
    const value = quickProductSingle(doubleOf(cpu, insn.rs1));
    if (!Number.isNaN(value)) return putSingle(cpu, insn.rd, value);
  }
  pack(SINGLE, convert(unpack(DOUBLE, cpu.f, insn.rs1)), rounding, { f: cpu.f, index: insn.rd });
  return accrue(cpu);
};

function conversionsOf(format: FloatFormat): Definition[] {
  const suffix = format.isDouble ? 'd' : 's';
  const fmt = format.isDouble ? 1 << 25 : 0;
  return INTEGERS.flatMap((integer, code) => [
    define(
      `fcvt.${integer.letter}.${suffix}`,
      'toInt',
      0x53 | (0x18 << 27) | fmt | (code << 20),
      floatToInteger(format, integer),
      floatToInt(format, integer.cut),
    ),
    define(
      `fcvt.${suffix}.${integer.letter}`,
      'fromInt',
      0x53 | (0x1a << 27) | fmt | (code << 20),
      integerToFloat(format, integer),
      intToFloat(format, format.isDouble ? integer.toDouble : integer.toSingle, {
        isWide: integer.isWide,
        isExact: format.isDouble && !integer.isWide,
      }),
    ),
  ]);
}

/** RV64F and RV64D: between formats, and from and to integers. */
export const FLOAT_CONVERSIONS: readonly Definition[] = [
  ...conversionsOf(SINGLE),
  ...conversionsOf(DOUBLE),
  define('fcvt.s.d', 'f1rm', 0x53 | (8 << 27) | (1 << 20), doubleToSingle, emitDoubleToSingle),
  define('fcvt.d.s', 'f1rm', 0x53 | (8 << 27) | (1 << 25), singleToDouble, emitSingleToDouble),
];
