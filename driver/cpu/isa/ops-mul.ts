import { Op } from '../wasm/op.js';
import { bits, define } from './define.js';
import { binary, word } from './emit.js';
import { divide, divideWord, highProduct, remainder, remainderWord } from './emit-mul.js';
import type { Definition } from './instruction.js';
import { divideSigned, divideUnsigned, division, multiplyHigh32, multiplyHighUnsigned, put, putWord } from './int64.js';

/** Subtracts `hi:lo` from register `rd`: what makes the high half of an unsigned product a signed one. */
function correct(x: Int32Array, rd: number, lo: number, hi: number): 0 {
  const borrow = x[rd]! >>> 0 < lo >>> 0 ? 1 : 0;
  return put(x, rd, x[rd]! - lo, x[rd + 1]! - hi - borrow);
}

/** RV64M, 64 bits wide. */
const WIDE: readonly Definition[] = [
  define(
    'mul',
    'R',
    bits(0x33, 0, 1),
    ({ x }, { rd, rs1: a, rs2: b }) =>
      put(
        x,
        rd,
        Math.imul(x[a]!, x[b]!),
        multiplyHigh32(x[a]!, x[b]!) + Math.imul(x[a]!, x[b + 1]!) + Math.imul(x[a + 1]!, x[b]!),
      ),
    binary(Op.i64Mul),
  ),
  define(
    'mulh',
    'R',
    bits(0x33, 1, 1),
    ({ x }, { rd, rs1, rs2 }) => {
      const [aLo, aHi, bLo, bHi] = [x[rs1]!, x[rs1 + 1]!, x[rs2]!, x[rs2 + 1]!];
      multiplyHighUnsigned(x, rd, rs1, rs2);
      if (aHi < 0) correct(x, rd, bLo, bHi);
      if (bHi < 0) correct(x, rd, aLo, aHi);
      return 0;
    },
    highProduct(true, true),
  ),
  define(
    'mulhsu',
    'R',
    bits(0x33, 2, 1),
    ({ x }, { rd, rs1, rs2 }) => {
      const [aHi, bLo, bHi] = [x[rs1 + 1]!, x[rs2]!, x[rs2 + 1]!];
      multiplyHighUnsigned(x, rd, rs1, rs2);
      return aHi < 0 ? correct(x, rd, bLo, bHi) : 0;
    },
    highProduct(true, false),
  ),
  define(
    'mulhu',
    'R',
    bits(0x33, 3, 1),
    ({ x }, { rd, rs1, rs2 }) => multiplyHighUnsigned(x, rd, rs1, rs2),
    highProduct(false, false),
  ),
  define(
    'div',
    'R',
    bits(0x33, 4, 1),
    ({ x }, { rd, rs1: a, rs2: b }) => {
      if ((x[b]! | x[b + 1]!) === 0) return put(x, rd, -1, -1);
      divideSigned(x[a]!, x[a + 1]!, x[b]!, x[b + 1]!);
      return put(x, rd, division.lo, division.hi);
    },
    divide(Op.i64DivS),
  ),
  define(
    'divu',
    'R',
    bits(0x33, 5, 1),
    ({ x }, { rd, rs1: a, rs2: b }) => {
      if ((x[b]! | x[b + 1]!) === 0) return put(x, rd, -1, -1);
      divideUnsigned(x[a]!, x[a + 1]!, x[b]!, x[b + 1]!);
      return put(x, rd, division.lo, division.hi);
    },
    divide(Op.i64DivU),
  ),
  define(
    'rem',
    'R',
    bits(0x33, 6, 1),
    ({ x }, { rd, rs1: a, rs2: b }) => {
      if ((x[b]! | x[b + 1]!) === 0) return put(x, rd, x[a]!, x[a + 1]!);
      divideSigned(x[a]!, x[a + 1]!, x[b]!, x[b + 1]!);
      return put(x, rd, division.remLo, division.remHi);
    },
    remainder(Op.i64RemS),
  ),
  define(
    'remu',
    'R',
    bits(0x33, 7, 1),
    ({ x }, { rd, rs1: a, rs2: b }) => {
      if ((x[b]! | x[b + 1]!) === 0) return put(x, rd, x[a]!, x[a + 1]!);
      divideUnsigned(x[a]!, x[a + 1]!, x[b]!, x[b + 1]!);
      return put(x, rd, division.remLo, division.remHi);
    },
    remainder(Op.i64RemU),
  ),
];

/** RV64M, on the low halves. A division by zero gives all ones, and the dividend as the remainder. */
const NARROW: readonly Definition[] = [
  define(
    'mulw',
    'R',
    bits(0x3b, 0, 1),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, Math.imul(x[rs1]!, x[rs2]!)),
    word(Op.i32Mul),
  ),
  define(
    'divw',
    'R',
    bits(0x3b, 4, 1),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs2] === 0 ? -1 : (x[rs1]! / x[rs2]!) | 0),
    divideWord(Op.i32DivS),
  ),
  define(
    'divuw',
    'R',
    bits(0x3b, 5, 1),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs2] === 0 ? -1 : Math.floor((x[rs1]! >>> 0) / (x[rs2]! >>> 0))),
    divideWord(Op.i32DivU),
  ),
  define(
    'remw',
    'R',
    bits(0x3b, 6, 1),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs2] === 0 ? x[rs1]! : x[rs1]! % x[rs2]!),
    remainderWord(Op.i32RemS),
  ),
  define(
    'remuw',
    'R',
    bits(0x3b, 7, 1),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs2] === 0 ? x[rs1]! : (x[rs1]! >>> 0) % (x[rs2]! >>> 0)),
    remainderWord(Op.i32RemU),
  ),
];

export const MULTIPLY: readonly Definition[] = [...WIDE, ...NARROW];
