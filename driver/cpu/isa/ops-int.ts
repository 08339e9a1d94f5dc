import { bits, define } from './define.js';
import type { Definition } from './instruction.js';
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

/** RV64I: arithmetic on registers. */
const REGISTER: readonly Definition[] = [
  define('add', 'R', bits(0x33, 0), ({ x }, { rd, rs1: a, rs2: b }) =>
    put(x, rd, x[a]! + x[b]!, x[a + 1]! + x[b + 1]! + carry(x[a]!, x[b]!)),
  ),
  define('sub', 'R', bits(0x33, 0, 0x20), ({ x }, { rd, rs1: a, rs2: b }) =>
    put(x, rd, x[a]! - x[b]!, x[a + 1]! - x[b + 1]! - (lessUnsigned(x[a]!, x[b]!) ? 1 : 0)),
  ),
  define('sll', 'R', bits(0x33, 1), ({ x }, { rd, rs1, rs2 }) => shiftLeft(x, rd, value(x, rs1), x[rs2]! & 63)),
  define('slt', 'R', bits(0x33, 2), ({ x }, { rd, rs1, rs2 }) => put(x, rd, less(x, rs1, rs2) ? 1 : 0, 0)),
  define('sltu', 'R', bits(0x33, 3), ({ x }, { rd, rs1, rs2 }) => put(x, rd, lessU(x, rs1, rs2) ? 1 : 0, 0)),
  define('xor', 'R', bits(0x33, 4), ({ x }, { rd, rs1: a, rs2: b }) =>
    put(x, rd, x[a]! ^ x[b]!, x[a + 1]! ^ x[b + 1]!),
  ),
  define('srl', 'R', bits(0x33, 5), ({ x }, { rd, rs1, rs2 }) => shiftRight(x, rd, value(x, rs1), x[rs2]! & 63)),
  define('sra', 'R', bits(0x33, 5, 0x20), ({ x }, { rd, rs1, rs2 }) =>
    shiftRightArithmetic(x, rd, value(x, rs1), x[rs2]! & 63),
  ),
  define('or', 'R', bits(0x33, 6), ({ x }, { rd, rs1: a, rs2: b }) => put(x, rd, x[a]! | x[b]!, x[a + 1]! | x[b + 1]!)),
  define('and', 'R', bits(0x33, 7), ({ x }, { rd, rs1: a, rs2: b }) =>
    put(x, rd, x[a]! & x[b]!, x[a + 1]! & x[b + 1]!),
  ),
  define('addw', 'R', bits(0x3b, 0), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! + x[rs2]!)),
  define('subw', 'R', bits(0x3b, 0, 0x20), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! - x[rs2]!)),
  define('sllw', 'R', bits(0x3b, 1), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! << x[rs2]!)),
  define('srlw', 'R', bits(0x3b, 5), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! >>> x[rs2]!)),
  define('sraw', 'R', bits(0x3b, 5, 0x20), ({ x }, { rd, rs1, rs2 }) => putWord(x, rd, x[rs1]! >> x[rs2]!)),
];

/** RV64I: arithmetic with an immediate, which is sign-extended. */
const IMMEDIATE: readonly Definition[] = [
  define('addi', 'I', bits(0x13, 0), ({ x }, { rd, rs1: a, imm }) =>
    put(x, rd, x[a]! + imm, x[a + 1]! + (imm >> 31) + carry(x[a]!, imm)),
  ),
  define('slti', 'I', bits(0x13, 2), ({ x }, { rd, rs1: a, imm }) => {
    const hi = imm >> 31;
    const isLess = x[a + 1]! < hi || (x[a + 1] === hi && lessUnsigned(x[a]!, imm));
    return put(x, rd, isLess ? 1 : 0, 0);
  }),
  define('sltiu', 'I', bits(0x13, 3), ({ x }, { rd, rs1: a, imm }) => {
    const hi = imm >> 31;
    const isLess = x[a + 1] === hi ? lessUnsigned(x[a]!, imm) : lessUnsigned(x[a + 1]!, hi);
    return put(x, rd, isLess ? 1 : 0, 0);
  }),
  define('xori', 'I', bits(0x13, 4), ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! ^ imm, x[rs1 + 1]! ^ (imm >> 31))),
  define('ori', 'I', bits(0x13, 6), ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! | imm, x[rs1 + 1]! | (imm >> 31))),
  define('andi', 'I', bits(0x13, 7), ({ x }, { rd, rs1, imm }) => put(x, rd, x[rs1]! & imm, x[rs1 + 1]! & (imm >> 31))),
  define('slli', 'shift', bits(0x13, 1), ({ x }, { rd, rs1, imm }) => shiftLeft(x, rd, value(x, rs1), imm)),
  define('srli', 'shift', bits(0x13, 5), ({ x }, { rd, rs1, imm }) => shiftRight(x, rd, value(x, rs1), imm)),
  define('srai', 'shift', bits(0x13, 5, 0x20), ({ x }, { rd, rs1, imm }) =>
    shiftRightArithmetic(x, rd, value(x, rs1), imm),
  ),
  define('addiw', 'I', bits(0x1b, 0), ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! + imm)),
  define('slliw', 'shiftw', bits(0x1b, 1), ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! << imm)),
  define('srliw', 'shiftw', bits(0x1b, 5), ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! >>> imm)),
  define('sraiw', 'shiftw', bits(0x1b, 5, 0x20), ({ x }, { rd, rs1, imm }) => putWord(x, rd, x[rs1]! >> imm)),
  define('lui', 'U', 0x37, ({ x }, { rd, imm }) => putWord(x, rd, imm)),
  define('auipc', 'U', 0x17, ({ x, pc }, { rd, imm }) => putNumber(x, rd, pc + imm)),
];

export const INTEGER: readonly Definition[] = [...REGISTER, ...IMMEDIATE];
