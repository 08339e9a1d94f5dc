import type { Insn } from '../isa/instruction.js';
import type { Emit, Emitter } from './emitter.js';

/** An operator that works on each half alone. */
function bitwise(operator: string): Emit {
  return (e, { rd, rs1, rs2 }) =>
    e.set(rd, `${e.lo(rs1)}${operator}${e.lo(rs2)}`, `${e.hi(rs1)}${operator}${e.hi(rs2)}`);
}

function bitwiseImmediate(operator: string): Emit {
  return (e, { rd, rs1, imm }) => e.set(rd, `${e.lo(rs1)}${operator}(${imm})`, `${e.hi(rs1)}${operator}(${imm >> 31})`);
}

function word(expression: (a: string, b: string) => string): Emit {
  return (e, { rd, rs1, rs2 }) => e.setWord(rd, expression(e.lo(rs1), e.lo(rs2)));
}

function wordImmediate(expression: (a: string, imm: number) => string): Emit {
  return (e, { rd, rs1, imm }) => e.setWord(rd, expression(e.lo(rs1), imm));
}

export function lessThan(a: string, b: string, [highA, highB]: readonly [string, string]): string {
  if (b === '0' && highB === '0') return `${highA}<0`;
  if (a === '0' && highA === '0') return `(${highB}>0||(${highB}===0&&${b}!==0))`;
  return `(${highA}<${highB}||(${highA}===${highB}&&(${a}>>>0)<(${b}>>>0)))`;
}

export function lessThanUnsigned(a: string, b: string, [highA, highB]: readonly [string, string]): string {
  if (a === '0' && highA === '0') return `(${b}|${highB})!==0`;
  return `(${highA}===${highB}?(${a}>>>0)<(${b}>>>0):(${highA}>>>0)<(${highB}>>>0))`;
}

function compare(less: typeof lessThan): Emit {
  return (e, { rd, rs1, rs2 }) => {
    const condition = less(e.lo(rs1), e.lo(rs2), [e.hi(rs1), e.hi(rs2)]);
    return e.setLowFirst(rd, `${condition}?1:0`, '0');
  };
}

function compareImmediate(less: typeof lessThan): Emit {
  return (e, { rd, rs1, imm }) =>
    e.setLowFirst(rd, `${less(e.lo(rs1), `(${imm})`, [e.hi(rs1), `(${imm >> 31})`])}?1:0`, '0');
}

const add: Emit = (e, { rd, rs1, rs2 }) => {
  if (rs1 === 0 || rs2 === 0) return move(e, rd, rs1 === 0 ? rs2 : rs1);
  const [a, b] = [e.lo(rs1), e.lo(rs2)];
  return `v=(${a}+${b})|0;${e.set(rd, 'v', `(${e.hi(rs1)}+${e.hi(rs2)}+((v>>>0)<(${a}>>>0)?1:0))|0`)}`;
};

const sub: Emit = (e, { rd, rs1, rs2 }) => {
  const [a, b] = [e.lo(rs1), e.lo(rs2)];
  return e.set(rd, `(${a}-${b})|0`, `(${e.hi(rs1)}-${e.hi(rs2)}-((${a}>>>0)<(${b}>>>0)?1:0))|0`);
};

const addi: Emit = (e, { rd, rs1, imm }) => {
  if (rs1 === 0) return e.set(rd, `${imm}`, `${imm >> 31}`);
  if (imm === 0) return move(e, rd, rs1);
  const a = e.lo(rs1);
  // Without a carry a negative immediate takes one from the high half.
  const high = imm > 0 ? `(v>>>0)<${imm}?1:0` : `(v>>>0)<(${a}>>>0)?0:-1`;
  return `v=(${a}+${imm})|0;${e.set(rd, 'v', `(${e.hi(rs1)}+(${high}))|0`)}`;
};

function move(e: Emitter, rd: number, from: number): string {
  return e.set(rd, e.lo(from), e.hi(from));
}

const slli: Emit = (e, { rd, rs1, imm }) => {
  const a = e.lo(rs1);
  if (imm === 0) return move(e, rd, rs1);
  if (imm >= 32) return e.set(rd, '0', `${a}<<${imm - 32}`);
  return e.set(rd, `${a}<<${imm}`, `(${e.hi(rs1)}<<${imm})|(${a}>>>${32 - imm})`);
};

/** `operator` is what brings in zeroes or copies of the sign. */
function shiftRightImmediate(operator: '>>>' | '>>'): Emit {
  return (e, { rd, rs1, imm }) => {
    const [a, high] = [e.lo(rs1), e.hi(rs1)];
    if (imm === 0) return move(e, rd, rs1);
    const fill = operator === '>>>' ? '0' : `${high}>>31`;
    if (imm >= 32) return e.setLowFirst(rd, `(${high}${operator}${imm - 32})|0`, fill);
    return e.setLowFirst(rd, `(${a}>>>${imm})|(${high}<<${32 - imm})`, `${high}${operator}${imm}`);
  };
}

const sll: Emit = (e, { rd, rs1, rs2 }) => {
  const [a, high] = [e.lo(rs1), e.hi(rs1)];
  const short = e.set(rd, `${a}<<i`, `(${high}<<i)|((${a}>>>1)>>>(31-i))`);
  return `i=${e.lo(rs2)}&63;if(i<32){${short}}else{${e.set(rd, '0', `${a}<<(i-32)`)}}`;
};

function shiftRight(operator: '>>>' | '>>'): Emit {
  return (e, { rd, rs1, rs2 }) => {
    const [a, high] = [e.lo(rs1), e.hi(rs1)];
    const short = e.setLowFirst(rd, `(${a}>>>i)|((${high}<<1)<<(31-i))`, `(${high}${operator}i)|0`);
    const fill = operator === '>>>' ? '0' : `${high}>>31`;
    const long = e.setLowFirst(rd, `(${high}${operator}(i-32))|0`, fill);
    return `i=${e.lo(rs2)}&63;if(i<32){${short}}else{${long}}`;
  };
}

/** RV64I arithmetic. */
const INTEGER: Readonly<Record<string, Emit>> = {
  add,
  sub,
  sll,
  slt: compare(lessThan),
  sltu: compare(lessThanUnsigned),
  xor: bitwise('^'),
  srl: shiftRight('>>>'),
  sra: shiftRight('>>'),
  or: bitwise('|'),
  and: bitwise('&'),
  addw: word((a, b) => `(${a}+${b})|0`),
  subw: word((a, b) => `(${a}-${b})|0`),
  sllw: word((a, b) => `${a}<<${b}`),
  srlw: word((a, b) => `(${a}>>>${b})|0`),
  sraw: word((a, b) => `${a}>>${b}`),
  addi,
  slti: compareImmediate(lessThan),
  sltiu: compareImmediate(lessThanUnsigned),
  xori: bitwiseImmediate('^'),
  ori: bitwiseImmediate('|'),
  andi: bitwiseImmediate('&'),
  slli,
  srli: shiftRightImmediate('>>>'),
  srai: shiftRightImmediate('>>'),
  addiw: wordImmediate((a, imm) => (imm === 0 ? a : `(${a}+${imm})|0`)),
  slliw: wordImmediate((a, imm) => `${a}<<${imm}`),
  srliw: wordImmediate((a, imm) => `(${a}>>>${imm})|0`),
  sraiw: wordImmediate((a, imm) => `${a}>>${imm}`),
  lui: (e, { rd, imm }) => e.set(rd, `${imm}`, `${imm >> 31}`),
  auipc: (e, { rd, imm }) => constant(e, rd, e.pc + imm),
};

/** Sets a register to a number that is known now, such as an address of code. */
export function constant(e: Emitter, rd: number, value: number): string {
  return e.set(rd, `${value | 0}`, `${Math.floor(value / 2 ** 32) | 0}`);
}

/** Quotient (`lo`, `hi`) or remainder of two 64-bit numbers; `byZero` is what a division by zero gives. */
function divide(call: string, remainder: boolean): Emit {
  return (e, { rd, rs1, rs2 }: Insn) => {
    const [a, high, b, highB] = [e.lo(rs1), e.hi(rs1), e.lo(rs2), e.hi(rs2)];
    const byZero = remainder ? move(e, rd, rs1) : e.set(rd, '-1', '-1');
    const result = remainder ? e.set(rd, 'V.remLo', 'V.remHi') : e.set(rd, 'V.lo', 'V.hi');
    return `if((${b}|${highB})===0){${byZero}}else{${call}(${a},${high},${b},${highB});${result}}`;
  };
}

/** RV64M; the high halves of products are left to the reference. */
const MULTIPLY: Readonly<Record<string, Emit>> = {
  mul: (e, { rd, rs1, rs2 }) => {
    const [a, b] = [e.lo(rs1), e.lo(rs2)];
    const cross = `Math.imul(${a},${e.hi(rs2)})+Math.imul(${e.hi(rs1)},${b})`;
    return `v=Math.imul(${a},${b});${e.set(rd, 'v', `(P(${a},${b})+${cross})|0`)}`;
  },
  div: divide('Q', false),
  divu: divide('U', false),
  rem: divide('Q', true),
  remu: divide('U', true),
  mulw: word((a, b) => `Math.imul(${a},${b})`),
  divw: word((a, b) => `${b}===0?-1:(${a}/${b})|0`),
  divuw: word((a, b) => `${b}===0?-1:((${a}>>>0)/(${b}>>>0))|0`),
  remw: word((a, b) => `${b}===0?${a}:(${a}%${b})|0`),
  remuw: word((a, b) => `${b}===0?${a}:((${a}>>>0)%(${b}>>>0))|0`),
};

export const EMIT_INTEGER: Readonly<Record<string, Emit>> = { ...INTEGER, ...MULTIPLY };
