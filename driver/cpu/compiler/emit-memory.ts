import type { Insn } from '../isa/instruction.js';
import type { Emit, Emitter } from './emitter.js';

/** RAM as elements of each size, and how an address in RAM becomes an index of it. */
const VIEWS: Readonly<Record<number, readonly [array: string, shift: number]>> = {
  1: ['B', 0],
  2: ['H', 1],
  4: ['W', 2],
  8: ['W', 2],
};

/** The address in `a`, its TLB entry in `i`; the condition says whether the entry allows the access. */
function lookUp(e: Emitter, { rs1, imm }: Insn, size: number, isStore: boolean): { code: string; hit: string } {
  const base = e.lo(rs1);
  const code = `a=${imm === 0 ? base : `(${base}+${imm})|0`};i=(a>>>10)&4092;`;
  const tag = isStore ? 'T[i+1]' : 'T[i]';
  return { code, hit: `${tag}===(a&${-4096 | (size - 1)})&&T[i+2]===${e.hi(rs1)}` };
}

/** Loads `size` bytes into `v`, and into `w` the high half of eight. */
function load(e: Emitter, insn: Insn, size: number): string {
  const { code, hit } = lookUp(e, insn, size, false);
  const [array, shift] = VIEWS[size]!;
  const slow = `if((t=m.loadSlow(${e.hi(insn.rs1)},${e.lo(insn.rs1)},${insn.imm},${size}))!==0){${e.trap()}}v=m.lo;`;
  if (size === 8) {
    return `${code}if(${hit}){i=(a+T[i+3])>>>2;v=W[i];w=W[i+1];}else{${slow}w=m.hi;}`;
  }
  return `${code}if(${hit})v=${array}[(a+T[i+3])>>>${shift}];else{${slow}}`;
}

function integerLoad(size: number, finish: (e: Emitter, rd: number) => string): Emit {
  return (e, insn) => load(e, insn, size) + finish(e, insn.rd);
}

/** Stores `lo` and, of eight bytes, `hi`. */
function store(e: Emitter, insn: Insn, size: number, [lo, hi]: readonly [string, string]): string {
  const { code, hit } = lookUp(e, insn, size, true);
  const [array, shift] = VIEWS[size]!;
  const base = `${e.hi(insn.rs1)},${e.lo(insn.rs1)},${insn.imm}`;
  const slow = `if((t=m.storeSlow(${base},${size},${lo},${hi}))!==0){${e.trap()}}${e.leaveIfCodeChanged(insn.length)}`;
  const fast = size === 8 ? `i=(a+T[i+3])>>>2;W[i]=${lo};W[i+1]=${hi};` : `${array}[(a+T[i+3])>>>${shift}]=${lo};`;
  return `${code}if(${hit}){${fast}}else{${slow}}`;
}

function integerStore(size: number): Emit {
  return (e, insn) => store(e, insn, size, [e.lo(insn.rs2), e.hi(insn.rs2)]);
}

function floatStore(size: number): Emit {
  return (e, insn) => store(e, insn, size, [`f[${insn.rs2}]`, `f[${insn.rs2 + 1}]`]);
}

export const EMIT_MEMORY: Readonly<Record<string, Emit>> = {
  lb: integerLoad(1, (e, rd) => e.setWord(rd, '(v<<24)>>24')),
  lh: integerLoad(2, (e, rd) => e.setWord(rd, '(v<<16)>>16')),
  lw: integerLoad(4, (e, rd) => e.setWord(rd, 'v')),
  ld: integerLoad(8, (e, rd) => e.set(rd, 'v', 'w')),
  lbu: integerLoad(1, (e, rd) => e.set(rd, 'v', '0')),
  lhu: integerLoad(2, (e, rd) => e.set(rd, 'v', '0')),
  lwu: integerLoad(4, (e, rd) => e.set(rd, 'v', '0')),
  sb: integerStore(1),
  sh: integerStore(2),
  sw: integerStore(4),
  sd: integerStore(8),
  flw: (e, insn) => `${load(e, insn, 4)}f[${insn.rd}]=v;f[${insn.rd + 1}]=-1;`,
  fld: (e, insn) => `${load(e, insn, 8)}f[${insn.rd}]=v;f[${insn.rd + 1}]=w;`,
  fsw: floatStore(4),
  fsd: floatStore(8),
};
