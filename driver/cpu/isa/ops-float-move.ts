import type { Cpu } from '../cpu.js';
import { Op } from '../wasm/op.js';
import { bits, define } from './define.js';
import { byReference } from './emit.js';
import { compareFloats } from './emit-float.js';
import {
  changeSign,
  loadDouble,
  loadSingle,
  moveDoubleFromInt,
  moveSingleFromInt,
  moveToInt,
  storeFloat,
} from './emit-float-convert.js';
import { accrue, doubleOf, putSingleBits, singleBits, singleOf } from './float-registers.js';
import type { Definition, Exec } from './instruction.js';
import { put, putWord } from './int64.js';
import { loadRaw, storeRaw } from './ops-memory.js';
import { DOUBLE, Flag, type FloatFormat, finite, pack, raised, SINGLE, unpack } from './soft-float.js';

/** What the sign of the result is, from the signs of both operands (bit 31). */
type SignOf = (a: number, b: number) => number;

const copySign: SignOf = (_, b) => b;
const turnSign: SignOf = (_, b) => ~b;
const mixSigns: SignOf = (a, b) => a ^ b;

const SIGN = 1 << 31;

function signSingle(signOf: SignOf): Exec {
  return (cpu, { rd, rs1, rs2 }) => {
    const [a, b] = [singleBits(cpu, rs1), singleBits(cpu, rs2)];
    return putSingleBits(cpu, rd, (a & ~SIGN) | (signOf(a, b) & SIGN));
  };
}

function signDouble(signOf: SignOf): Exec {
  return ({ f }, { rd, rs1, rs2 }) => {
    const [lo, a, b] = [f[rs1]!, f[rs1 + 1]!, f[rs2 + 1]!];
    return put(f, rd, lo, (a & ~SIGN) | (signOf(a, b) & SIGN));
  };
}

function isSignaling(format: FloatFormat, cpu: Cpu, index: number): boolean {
  return unpack(format, cpu.f, index).isSignaling;
}

/** The smaller or larger; a NaN yields to a number, and zeros are told apart by their signs. */
function extreme(format: FloatFormat, wantsLess: boolean): Exec {
  const read = format.isDouble ? doubleOf : singleOf;
  return (cpu, { rd, rs1, rs2 }) => {
    const [a, b] = [read(cpu, rs1), read(cpu, rs2)];
    const [hasA, hasB] = [!Number.isNaN(a), !Number.isNaN(b)];
    if (!hasA || !hasB) {
      if (isSignaling(format, cpu, rs1) || isSignaling(format, cpu, rs2)) raised.flags |= Flag.invalid;
      const chosen = hasA ? rs1 : rs2;
      const value = unpack(format, cpu.f, chosen);
      pack(format, hasA || hasB ? value : { ...finite(false, value.sig, 0), kind: 'nan' }, 0, { f: cpu.f, index: rd });
      return accrue(cpu);
    }
    const isLess = a < b || (a === b && Object.is(a, -0));
    const from = isLess === wantsLess ? rs1 : rs2;
    return put(cpu.f, rd, cpu.f[from]!, cpu.f[from + 1]!);
  };
}

/** Only feq lets quiet NaNs pass without the invalid flag. */
function compare(format: FloatFormat, test: (a: number, b: number) => boolean, isQuiet: boolean): Exec {
  const read = format.isDouble ? doubleOf : singleOf;
  return (cpu, { rd, rs1, rs2 }) => {
    const [a, b] = [read(cpu, rs1), read(cpu, rs2)];
    if (Number.isNaN(a) || Number.isNaN(b)) {
      if (!isQuiet || isSignaling(format, cpu, rs1) || isSignaling(format, cpu, rs2)) cpu.fcsr |= Flag.invalid;
      return put(cpu.x, rd, 0, 0);
    }
    return put(cpu.x, rd, test(a, b) ? 1 : 0, 0);
  };
}

/** One bit of ten: -inf, -normal, -subnormal, -0, +0, +subnormal, +normal, +inf, signaling NaN, quiet NaN. */
function classify(format: FloatFormat): Exec {
  const smallestNormal = 2 ** format.minExponent;
  const read = format.isDouble ? doubleOf : singleOf;
  return (cpu, { rd, rs1 }) => {
    const value = read(cpu, rs1);
    if (Number.isNaN(value)) return put(cpu.x, rd, isSignaling(format, cpu, rs1) ? 1 << 8 : 1 << 9, 0);
    const size = Math.abs(value);
    const rank = size === 0 ? 0 : size < smallestNormal ? 1 : size < Number.POSITIVE_INFINITY ? 2 : 3;
    return put(cpu.x, rd, 1 << (value < 0 || Object.is(value, -0) ? 3 - rank : 4 + rank), 0);
  };
}

function movesOf(format: FloatFormat): Definition[] {
  const suffix = format.isDouble ? '.d' : '.s';
  const fmt = format.isDouble ? 1 : 0;
  const op = (funct5: number, funct3: number) => bits(0x53, funct3, (funct5 << 2) | fmt);
  const sign = format.isDouble ? signDouble : signSingle;
  return [
    define(`fsgnj${suffix}`, 'fR', op(4, 0), sign(copySign), changeSign(format, 'differs')),
    define(`fsgnjn${suffix}`, 'fR', op(4, 1), sign(turnSign), changeSign(format, 'equals')),
    define(`fsgnjx${suffix}`, 'fR', op(4, 2), sign(mixSigns), changeSign(format, 'second')),
    define(`fmin${suffix}`, 'fR', op(5, 0), extreme(format, true), byReference),
    define(`fmax${suffix}`, 'fR', op(5, 1), extreme(format, false), byReference),
    define(
      `fle${suffix}`,
      'fcmp',
      op(20, 0),
      compare(format, (a, b) => a <= b, false),
      compareFloats(format, format.isDouble ? Op.f64Le : Op.f32Le),
    ),
    define(
      `flt${suffix}`,
      'fcmp',
      op(20, 1),
      compare(format, (a, b) => a < b, false),
      compareFloats(format, format.isDouble ? Op.f64Lt : Op.f32Lt),
    ),
    define(
      `feq${suffix}`,
      'fcmp',
      op(20, 2),
      compare(format, (a, b) => a === b, true),
      compareFloats(format, format.isDouble ? Op.f64Eq : Op.f32Eq),
    ),
    define(`fclass${suffix}`, 'fclass', op(28, 1), classify(format), byReference),
  ];
}

/** RV64F and RV64D: loads, stores, moves, signs, comparisons. Bits pass unchanged, NaNs too. */
export const FLOAT_MOVES: readonly Definition[] = [
  define(
    'flw',
    'fload',
    bits(0x07, 2),
    (cpu, i) => loadRaw(cpu, i, 4) || putSingleBits(cpu, i.rd, cpu.hart.lo),
    loadSingle,
  ),
  define(
    'fld',
    'fload',
    bits(0x07, 3),
    (cpu, i) => loadRaw(cpu, i, 8) || put(cpu.f, i.rd, cpu.hart.lo, cpu.hart.hi),
    loadDouble,
  ),
  define('fsw', 'fstore', bits(0x27, 2), (cpu, i) => storeRaw(cpu, i, 4, cpu.f), storeFloat(Op.i64Store32, 4)),
  define('fsd', 'fstore', bits(0x27, 3), (cpu, i) => storeRaw(cpu, i, 8, cpu.f), storeFloat(Op.i64Store, 8)),
  define(
    'fmv.x.w',
    'moveToInt',
    bits(0x53, 0, 0x70),
    ({ x, f }, { rd, rs1 }) => putWord(x, rd, f[rs1]!),
    moveToInt(Op.i64Load32S),
  ),
  define(
    'fmv.x.d',
    'moveToInt',
    bits(0x53, 0, 0x71),
    ({ x, f }, { rd, rs1 }) => put(x, rd, f[rs1]!, f[rs1 + 1]!),
    moveToInt(Op.i64Load),
  ),
  define(
    'fmv.w.x',
    'moveFromInt',
    bits(0x53, 0, 0x78),
    (cpu, { rd, rs1 }) => putSingleBits(cpu, rd, cpu.x[rs1]!),
    moveSingleFromInt,
  ),
  define(
    'fmv.d.x',
    'moveFromInt',
    bits(0x53, 0, 0x79),
    ({ x, f }, { rd, rs1 }) => put(f, rd, x[rs1]!, x[rs1 + 1]!),
    moveDoubleFromInt,
  ),
  ...movesOf(SINGLE),
  ...movesOf(DOUBLE),
];
