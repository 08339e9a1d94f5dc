import type { Emit } from '../wasm/emitter.js';
import { Op } from '../wasm/op.js';
import { bits, define } from './define.js';
import { binary, compare, compareImmediate, immediate, word, wordImmediate } from './emit.js';
import type { Definition, Insn } from './instruction.js';
import {
  carry,
  less,
  lessU,
  lessUnsigned,
  put,
  putNumber,
  putWord,
  shiftLeft,
  shiftRight,
  shiftRightArithmetic,
} from './int64.js';

/** A register's two halves. */
function value(x: Int32Array, index: number): { lo: number; hi: number } {
  return { lo: x[index]!, hi: x[index + 1]! };
}

const addImmediate: Emit = (e, { rd, rs1, imm }) => {
  e.sum(rs1, imm);
  e.put(rd);
};

function constant(value: (insn: Insn, pc: number) => number): Emit {
  return (e, insn) => {
    e.i64(value(insn, e.pc));
    e.put(insn.rd);
  };
}

/** RV64I: arithmetic on registers. */
const REGISTER: readonly Definition[] = [
  define(
    'add',
    'R',
    bits(0x33, 0),
    ({ x }, { rd, rs1: a, rs2: b }) => put(x, rd, x[a]! + x[b]!, x[a + 1]! + x[b + 1]! + carry(x[a]!, x[b]!)),
    binary(Op.i64Add),
  ),
  define(
    'sub',
    'R',
    bits(0x33, 0, 0x20),
    ({ x }, { rd, rs1: a, rs2: b }) =>
      put(x, rd, x[a]! - x[b]!, x[a + 1]! - x[b + 1]! - (lessUnsigned(x[a]!, x[b]!) ? 1 : 0)),
    binary(Op.i64Sub),
  ),
  define(
    'sll',
    'R',
    bits(0x33, 1),
    ({ x }, { rd, rs1, rs2 }) => shiftLeft(x, rd, value(x, rs1), x[rs2]! & 63),
    binary(Op.i64Shl),
  ),
  define(
    'slt',
    'R',
    bits(0x33, 2),
    ({ x }, { rd, rs1, rs2 }) => put(x, rd, less(x, rs1, rs2) ? 1 : 0, 0),
    compare(Op.i64LtS),
  ),
  define(
    'sltu',
    'R',
    bits(0x33, 3),
    ({ x }, { rd, rs1, rs2 }) => put(x, rd, lessU(x, rs1, rs2) ? 1 : 0, 0),
    compare(Op.i64LtU),
  ),
  define(
    'xor',
    'R',
    bits(0x33, 4),
    ({ x }, { rd, rs1: a, rs2: b }) => put(x, rd, x[a]! ^ x[b]!, x[a + 1]! ^ x[b + 1]!),
    binary(Op.i64Xor),
  ),
  define(
    'srl',
    'R',
    bits(0x33, 5),
    ({ x }, { rd, rs1, rs2 }) => shiftRight(x, rd, value(x, rs1), x[rs2]! & 63),
    binary(Op.i64ShrU),
  ),
  define(
    'sra',
    'R',
    bits(0x33, 5, 0x20),
    ({ x }, { rd, rs1, rs2 }) => shiftRightArithmetic(x, rd, value(x, rs1), x[rs2]! & 63),
    binary(Op.i64ShrS),
  ),
  define(
    'or',
    'R',
    bits(0x33, 6),
    ({ x }, { rd, rs1: a, rs2: b }) => put(x, rd, x[a]! | x[b]!, x[a + 1]! | x[b + 1]!),
    binary(Op.i64Or),
  ),
  define(
    'and',
    'R',
    bits(0x33, 7),
    ({ x }, { rd, rs1: a, rs2: b }) => put(x, rd, x[a]! & x[b]!, x[a + 1]! & x[b + 1]!),
    binary(Op.i64And),
  ),
  define('addw', 'R', bits(0x3b, 0), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! + x[rs2]!), word(Op.i32Add)),
  define(
    'subw',
    'R',
    bits(0x3b, 0, 0x20),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! - x[rs2]!),
    word(Op.i32Sub),
  ),
  define('sllw', 'R', bits(0x3b, 1), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! << x[rs2]!), word(Op.i32Shl)),
  define(
    'srlw',
    'R',
    bits(0x3b, 5),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! >>> x[rs2]!),
    word(Op.i32ShrU),
  ),
  define(
    'sraw',
    'R',
    bits(0x3b, 5, 0x20),
    ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! >> x[rs2]!),
    word(Op.i32ShrS),
  ),
];

/** RV64I: arithmetic with an immediate, which is sign-extended. */
const IMMEDIATE: readonly Definition[] = [
  define(
    'addi',
    'I',
    bits(0x13, 0),
    ({ x }, { rd, rs1: a, imm }) => put(x, rd, x[a]! + imm, x[a + 1]! + (imm >> 31) + carry(x[a]!, imm)),
    addImmediate,
  ),
  define(
    'slti',
    'I',
    bits(0x13, 2),
    ({ x }, { rd, rs1: a, imm }) => {
      const hi = imm >> 31;
      const isLess = x[a + 1]! < hi || (x[a + 1] === hi && lessUnsigned(x[a]!, imm));
      return put(x, rd, isLess ? 1 : 0, 0);
    },
    compareImmediate(Op.i64LtS),
  ),
  define(
    'sltiu',
    'I',
    bits(0x13, 3),
    ({ x }, { rd, rs1: a, imm }) => {
      const hi = imm >> 31;
      const isLess = x[a + 1] === hi ? lessUnsigned(x[a]!, imm) : lessUnsigned(x[a + 1]!, hi);
      return put(x, rd, isLess ? 1 : 0, 0);
    },
    compareImmediate(Op.i64LtU),
  ),
  define(
    'xori',
    'I',
    bits(0x13, 4),
    ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! ^ imm, x[rs1 + 1]! ^ (imm >> 31)),
    immediate(Op.i64Xor),
  ),
  define(
    'ori',
    'I',
    bits(0x13, 6),
    ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! | imm, x[rs1 + 1]! | (imm >> 31)),
    immediate(Op.i64Or),
  ),
  define(
    'andi',
    'I',
    bits(0x13, 7),
    ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! & imm, x[rs1 + 1]! & (imm >> 31)),
    immediate(Op.i64And),
  ),
  define(
    'slli',
    'shift',
    bits(0x13, 1),
    ({ x }, { rd, rs1, imm }) => shiftLeft(x, rd, value(x, rs1), imm),
    immediate(Op.i64Shl),
  ),
  define(
    'srli',
    'shift',
    bits(0x13, 5),
    ({ x }, { rd, rs1, imm }) => shiftRight(x, rd, value(x, rs1), imm),
    immediate(Op.i64ShrU),
  ),
  define(
    'srai',
    'shift',
    bits(0x13, 5, 0x20),
    ({ x }, { rd, rs1, imm }) => shiftRightArithmetic(x, rd, value(x, rs1), imm),
    immediate(Op.i64ShrS),
  ),
  define(
    'addiw',
    'I',
    bits(0x1b, 0),
    ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! + imm),
    wordImmediate(Op.i32Add),
  ),
  define(
    'slliw',
    'shiftw',
    bits(0x1b, 1),
    ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! << imm),
    wordImmediate(Op.i32Shl),
  ),
  define(
    'srliw',
    'shiftw',
    bits(0x1b, 5),
    ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! >>> imm),
    wordImmediate(Op.i32ShrU),
  ),
  define(
    'sraiw',
    'shiftw',
    bits(0x1b, 5, 0x20),
    ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! >> imm),
    wordImmediate(Op.i32ShrS),
  ),
  define(
    'lui',
    'U',
    0x37,
    ({ x }, { rd, imm }) => putWord(x, rd, imm),
    constant(({ imm }) => imm),
  ),
  define(
    'auipc',
    'U',
    0x17,
    ({ x, pc }, { rd, imm }) => putNumber(x, rd, pc + imm),
    constant(({ imm }, pc) => pc + imm),
  ),
];

export const INTEGER: readonly Definition[] = [...REGISTER, ...IMMEDIATE];
