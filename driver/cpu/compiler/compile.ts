import type { Cpu } from '../cpu.js';
import type { Hart } from '../hart.js';
import type { Format, Insn } from '../isa/instruction.js';
import { divideSigned, divideUnsigned, division, multiplyHigh32 } from '../isa/int64.js';
import { jumpTarget } from '../isa/ops-control.js';
import { quickMultiplyAdd } from '../isa/quick-float.js';
import type { TrapCode } from '../isa/trap.js';
import { emitEnd, isSelfLoop, type Labels } from './emit-control.js';
import { EMIT_FLOAT } from './emit-float.js';
import { EMIT_INTEGER } from './emit-int.js';
import { EMIT_MEMORY } from './emit-memory.js';
import { type Emit, Emitter } from './emitter.js';
import { type Block, isControl, type Region } from './region.js';

/** Runs a region on `cpu` for at most `left` instructions; `cpu.left` says how many it did not use. */
export type RegionCode = (cpu: Cpu, x: Int32Array, left: number) => TrapCode;

const EMITTERS: Readonly<Record<string, Emit>> = { ...EMIT_INTEGER, ...EMIT_MEMORY, ...EMIT_FLOAT };

/** Formats with integer registers that the reference reads, and those whose result is an integer register. */
const READS_BOTH: ReadonlySet<Format> = new Set(['R', 'amo']);
const READS_FIRST: ReadonlySet<Format> = new Set(['R', 'amo', 'lr', 'csr', 'fromInt', 'moveFromInt']);
const WRITES: ReadonlySet<Format> = new Set(['R', 'amo', 'lr', 'csr', 'csri', 'fcmp', 'fclass', 'toInt', 'moveToInt']);

/** The JavaScript function of a region. */
export function compileRegion(hart: Hart, region: Region): RegionCode {
  const e = new Emitter();
  const body = emitBody(e, region);
  const { tlb: T, words: W, halves: H, bytes: B } = hart;
  const bound = { m: hart, T, W, H, B, E: e.exits, I: e.insns, ...HELPERS };
  // Constants, unlike parameters, are known to the optimizer: arrays become fixed addresses.
  const constants = Object.keys(bound).map((name) => `const ${name}=$.${name};`);
  const make = new Function('$', `"use strict";${constants.join('')}return function(c,x,left){${emitFrame(e, body)}};`);
  return make(bound) as RegionCode;
}

/** What the code calls, by the names of its text. */
const HELPERS = {
  V: division,
  Q: divideSigned,
  U: divideUnsigned,
  P: multiplyHigh32,
  J: jumpTarget,
  M: quickMultiplyAdd,
};

/** Registers come from `x` at the start and go back at the end, whichever way the code leaves. */
function emitFrame(e: Emitter, body: string): string {
  const locals = [...e.used].map((r) => `r${r}=x[${2 * r}],R${r}=x[${2 * r + 1}],`).join('');
  const back = [...e.written].map((r) => `x[${2 * r}]=r${r};x[${2 * r + 1}]=R${r};`).join('');
  return (
    `const f=c.f,D=c.doubles,G=m.code.generation;let ${locals}n=left|0,t=0,e=0,L=0,a=0,i=0,v=0,w=0,d=0,g=0,j=0;` +
    `run:for(;;){switch(L){${body}}}${back}c.pc=e<0?j:E[e];c.left=n;return t;`
  );
}

function emitBody(e: Emitter, { blocks }: Region): string {
  const labels: Labels = new Map(blocks.map(({ start }, i) => [start, i]));
  for (const { insns, end } of blocks) if (isCall(insns[insns.length - 1]!)) e.returnPoints.add(end);
  return blocks.map((block, i) => `case ${i}:${emitBlock(e, block, labels, blocks[i + 1]?.start)}\n`).join('');
}

function isCall({ rd, definition: { format } }: Insn): boolean {
  return rd === 2 && (format === 'J' || format === 'jalr');
}

/** A block charges all its instructions at once; where too few are left the interpreter takes over. */
function emitBlock(e: Emitter, block: Block, labels: Labels, next: number | undefined): string {
  const { insns, start } = block;
  let code = `if((n-=${insns.length})<0){n+=${insns.length};${e.leave(start)}}`;
  e.pc = start;
  insns.forEach((insn, k) => {
    e.unretired = insns.length - k;
    if (!isControl(insn)) code += `${emitInsn(e, insn)}\n`;
    if (k + 1 < insns.length) e.pc += insn.length;
  });
  code += emitEnd(e, block, labels, next);
  return isSelfLoop(block) ? `for(;;){${code}` : code;
}

function emitInsn(e: Emitter, insn: Insn): string {
  const { name, format } = insn.definition;
  if (format === 'fence') return '';
  const emit = EMITTERS[name];
  if (emit !== undefined) return emit(e, insn);
  const reads = [READS_FIRST.has(format) ? insn.rs1 : 0, READS_BOTH.has(format) ? insn.rs2 : 0];
  const code = e.fallback(insn, { reads, writes: WRITES.has(format) });
  return format === 'amo' ? code + e.leaveIfCodeChanged(insn.length) : code;
}
