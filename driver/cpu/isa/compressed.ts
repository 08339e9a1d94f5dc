/** RV64C: every compressed instruction is a spelling of a base one. Word 0 stands for "no such instruction". */

const BAD = 0;

interface Fields {
  readonly imm: number;
  readonly rd?: number;
  readonly rs1?: number;
  readonly rs2?: number;
}

function iType(opcode: number, funct3: number, { imm, rd = 0, rs1 = 0 }: Fields): number {
  return opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (imm << 20);
}

function sType(opcode: number, funct3: number, { imm, rs1 = 0, rs2 = 0 }: Fields): number {
  return opcode | ((imm & 31) << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | ((imm >> 5) << 25);
}

function rType(opcode: number, funct: number, rd: number, { rs1, rs2 }: { rs1: number; rs2: number }): number {
  return opcode | (rd << 7) | ((funct & 7) << 12) | (rs1 << 15) | (rs2 << 20) | ((funct >> 3) << 25);
}

function branch(funct3: number, rs1: number, imm: number): number {
  const low = ((imm & 0x1e) << 7) | ((imm & 0x800) >> 4);
  return 0x63 | low | (funct3 << 12) | (rs1 << 15) | ((imm & 0x7e0) << 20) | ((imm & 0x1000) << 19);
}

/** Bits `high` to `low` of an instruction. */
function field(c: number, high: number, low: number): number {
  return (c >>> low) & ((1 << (high - low + 1)) - 1);
}

function signed(value: number, width: number): number {
  return (value << (32 - width)) >> (32 - width);
}

/** The 32-bit word that the compressed instruction `c` stands for. */
export function expand(c: number): number {
  const funct3 = c >>> 13;
  switch (c & 3) {
    case 0:
      return expandMemory(c, funct3);
    case 1:
      return expandArithmetic(c, funct3);
    default:
      return expandStack(c, funct3);
  }
}

/** Quadrant 0: loads and stores by one of eight registers, and the address of a local. */
function expandMemory(c: number, funct3: number): number {
  const rd = 8 + field(c, 4, 2);
  const rs1 = 8 + field(c, 9, 7);
  const word = (field(c, 12, 10) << 3) | (field(c, 6, 6) << 2) | (field(c, 5, 5) << 6);
  const double = (field(c, 12, 10) << 3) | (field(c, 6, 5) << 6);
  switch (funct3) {
    case 0: {
      const imm = (field(c, 12, 11) << 4) | (field(c, 10, 7) << 6) | (field(c, 6, 6) << 2) | (field(c, 5, 5) << 3);
      return imm === 0 ? BAD : iType(0x13, 0, { imm, rd, rs1: 2 });
    }
    case 1:
      return iType(0x07, 3, { imm: double, rd, rs1 });
    case 2:
      return iType(0x03, 2, { imm: word, rd, rs1 });
    case 3:
      return iType(0x03, 3, { imm: double, rd, rs1 });
    case 5:
      return sType(0x27, 3, { imm: double, rs1, rs2: rd });
    case 6:
      return sType(0x23, 2, { imm: word, rs1, rs2: rd });
    case 7:
      return sType(0x23, 3, { imm: double, rs1, rs2: rd });
    default:
      return BAD;
  }
}

/** Quadrant 1: immediates, jumps and branches. */
function expandArithmetic(c: number, funct3: number): number {
  const rd = field(c, 11, 7);
  const imm = signed((field(c, 12, 12) << 5) | field(c, 6, 2), 6);
  switch (funct3) {
    case 0:
      return iType(0x13, 0, { imm, rd, rs1: rd });
    case 1:
      return rd === 0 ? BAD : iType(0x1b, 0, { imm, rd, rs1: rd });
    case 2:
      return iType(0x13, 0, { imm, rd });
    case 3:
      return expandUpper(c, rd, imm);
    case 4:
      return expandRegister(c, imm);
    case 5:
      return jump(c);
    default: {
      const high = (field(c, 12, 12) << 8) | (field(c, 6, 5) << 6) | (field(c, 2, 2) << 5);
      const offset = signed(high | (field(c, 11, 10) << 3) | (field(c, 4, 3) << 1), 9);
      return branch(funct3 - 6, 8 + field(c, 9, 7), offset);
    }
  }
}

/** c.addi16sp and c.lui. */
function expandUpper(c: number, rd: number, imm: number): number {
  if (rd !== 2) return imm === 0 ? BAD : 0x37 | (rd << 7) | (imm << 12);
  const high = (field(c, 12, 12) << 9) | (field(c, 4, 3) << 7) | (field(c, 5, 5) << 6);
  const step = signed(high | (field(c, 2, 2) << 5) | (field(c, 6, 6) << 4), 10);
  return step === 0 ? BAD : iType(0x13, 0, { imm: step, rd: 2, rs1: 2 });
}

/** The operations on two of eight registers, as funct7 and funct3 of the base instruction. */
const NARROW_OPS = [0x100, 0x004, 0x006, 0x007];

function expandRegister(c: number, imm: number): number {
  const rd = 8 + field(c, 9, 7);
  switch (field(c, 11, 10)) {
    case 0:
      return iType(0x13, 5, { imm: imm & 63, rd, rs1: rd });
    case 1:
      return iType(0x13, 5, { imm: (imm & 63) | 0x400, rd, rs1: rd });
    case 2:
      return iType(0x13, 7, { imm, rd, rs1: rd });
    default: {
      const registers = { rs1: rd, rs2: 8 + field(c, 4, 2) };
      const which = field(c, 6, 5);
      if (field(c, 12, 12) === 0) return rType(0x33, NARROW_OPS[which]!, rd, registers);
      return which > 1 ? BAD : rType(0x3b, which === 0 ? 0x100 : 0, rd, registers);
    }
  }
}

/** c.j */
function jump(c: number): number {
  const high = (field(c, 12, 12) << 11) | (field(c, 8, 8) << 10) | (field(c, 10, 9) << 8) | (field(c, 6, 6) << 7);
  const low = (field(c, 7, 7) << 6) | (field(c, 2, 2) << 5) | (field(c, 11, 11) << 4) | (field(c, 5, 3) << 1);
  const imm = signed(high | low, 12);
  return 0x6f | (imm & 0xff000) | ((imm & 0x800) << 9) | ((imm & 0x7fe) << 20) | ((imm >> 31) << 31);
}

/** Quadrant 2: by the stack pointer, and on whole registers. */
function expandStack(c: number, funct3: number): number {
  const rd = field(c, 11, 7);
  const rs2 = field(c, 6, 2);
  const shift = (field(c, 12, 12) << 5) | rs2;
  const double = (field(c, 12, 12) << 5) | (field(c, 6, 5) << 3) | (field(c, 4, 2) << 6);
  const word = (field(c, 12, 12) << 5) | (field(c, 6, 4) << 2) | (field(c, 3, 2) << 6);
  const storeDouble = (field(c, 12, 10) << 3) | (field(c, 9, 7) << 6);
  const storeWord = (field(c, 12, 9) << 2) | (field(c, 8, 7) << 6);
  switch (funct3) {
    case 0:
      return iType(0x13, 1, { imm: shift, rd, rs1: rd });
    case 1:
      return iType(0x07, 3, { imm: double, rd, rs1: 2 });
    case 2:
      return rd === 0 ? BAD : iType(0x03, 2, { imm: word, rd, rs1: 2 });
    case 3:
      return rd === 0 ? BAD : iType(0x03, 3, { imm: double, rd, rs1: 2 });
    case 4:
      return expandMove(c, rd, rs2);
    case 5:
      return sType(0x27, 3, { imm: storeDouble, rs1: 2, rs2 });
    case 6:
      return sType(0x23, 2, { imm: storeWord, rs1: 2, rs2 });
    default:
      return sType(0x23, 3, { imm: storeDouble, rs1: 2, rs2 });
  }
}

/** c.jr, c.mv, c.ebreak, c.jalr, c.add */
function expandMove(c: number, rd: number, rs2: number): number {
  const links = field(c, 12, 12) === 1;
  if (rs2 !== 0) return rType(0x33, 0, rd, { rs1: links ? rd : 0, rs2 });
  if (rd !== 0) return iType(0x67, 0, { imm: 0, rd: links ? 1 : 0, rs1: rd });
  return links ? 0x100073 : BAD;
}
