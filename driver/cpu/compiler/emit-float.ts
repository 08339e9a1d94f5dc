import type { Insn } from '../isa/instruction.js';
import type { Emit, Emitter } from './emitter.js';

/** Which bits of fcsr must be "inexact, to nearest even" for a result that comes from JavaScript: `isQuick` as text. */
function quickCondition({ imm }: Insn): string | null {
  if (imm === 7) return '(c.fcsr&225)===1';
  return imm === 0 ? '(c.fcsr&1)===1' : null;
}

function reference(e: Emitter, insn: Insn): string {
  return e.fallback(insn, { reads: [], writes: false });
}

const doubleAt = (index: number) => `D[${index >> 1}]`;

/** A double operation whose `result` (assigned to `d`) is used if `isOrdinary`, which asks about `d`. */
function quickly(result: (insn: Insn) => string, isOrdinary: string): Emit {
  return (e, insn) => {
    const condition = quickCondition(insn);
    const slow = reference(e, insn);
    if (condition === null) return slow;
    return `if(${condition}&&(d=${result(insn)},${isOrdinary})){${doubleAt(insn.rd)}=d;}else{${slow}}`;
  };
}

const FINITE = 'd-d===0';
const NORMAL = '(d>2.2250738585072014e-308||d<-2.2250738585072014e-308)&&d-d===0';
const NUMBER = 'd===d';

function binary(operator: string): (insn: Insn) => string {
  return ({ rs1, rs2 }) => `${doubleAt(rs1)}${operator}${doubleAt(rs2)}`;
}

function fused(product: string, addend: string): Emit {
  return quickly(
    ({ rs1, rs2, rs3 }) => `M(${product}${doubleAt(rs1)},${doubleAt(rs2)},${addend}${doubleAt(rs3)})`,
    NUMBER,
  );
}

function compare(operator: string): Emit {
  return (e, insn) => {
    const quick = e.setLowFirst(insn.rd, `d${operator}g?1:0`, '0');
    const slow = e.fallback(insn, { reads: [], writes: true });
    return `d=${doubleAt(insn.rs1)};g=${doubleAt(insn.rs2)};if(d===d&&g===g){${quick}}else{${slow}}`;
  };
}

const copySign: Emit = (e, insn) => {
  if (insn.rs1 !== insn.rs2) return reference(e, insn);
  return `f[${insn.rd}]=f[${insn.rs1}];f[${insn.rd + 1}]=f[${insn.rs1 + 1}];`;
};

/** The double operations that compilers use most; what is missing goes to the reference. */
export const EMIT_FLOAT: Readonly<Record<string, Emit>> = {
  'fadd.d': quickly(binary('+'), FINITE),
  'fsub.d': quickly(binary('-'), FINITE),
  'fmul.d': quickly(binary('*'), NORMAL),
  'fdiv.d': quickly(binary('/'), NORMAL),
  'fsqrt.d': quickly(({ rs1 }) => `Math.sqrt(${doubleAt(rs1)})`, NORMAL),
  'fmadd.d': fused('', ''),
  'fmsub.d': fused('', '-'),
  'fnmsub.d': fused('-', ''),
  'fnmadd.d': fused('-', '-'),
  'feq.d': compare('==='),
  'flt.d': compare('<'),
  'fle.d': compare('<='),
  'fsgnj.d': copySign,
  'fmv.x.d': (e, { rd, rs1 }) => e.set(rd, `f[${rs1}]`, `f[${rs1 + 1}]`),
  'fmv.d.x': (e, { rd, rs1 }) => `f[${rd}]=${e.lo(rs1)};f[${rd + 1}]=${e.hi(rs1)};`,
  'fcvt.d.w': (e, insn) =>
    insn.imm !== 0 ? e.fallback(insn, { reads: [insn.rs1], writes: false }) : `${doubleAt(insn.rd)}=${e.lo(insn.rs1)};`,
};
