import { type Insn, NOWHERE } from '../isa/instruction.js';
import { constant, lessThan, lessThanUnsigned } from './emit-int.js';
import type { Emitter } from './emitter.js';
import type { Block } from './region.js';

/** Where blocks of a region are: by start address, the number of the `case`. */
export type Labels = ReadonlyMap<number, number>;

const CONDITIONS: Readonly<Record<string, (e: Emitter, insn: Insn) => string>> = {
  beq: (e, insn) => equal(e, insn, '==='),
  bne: (e, insn) => equal(e, insn, '!=='),
  blt: (e, { rs1, rs2 }) => lessThan(e.lo(rs1), e.lo(rs2), [e.hi(rs1), e.hi(rs2)]),
  bge: (e, { rs1, rs2 }) => `!(${lessThan(e.lo(rs1), e.lo(rs2), [e.hi(rs1), e.hi(rs2)])})`,
  bltu: (e, { rs1, rs2 }) => lessThanUnsigned(e.lo(rs1), e.lo(rs2), [e.hi(rs1), e.hi(rs2)]),
  bgeu: (e, { rs1, rs2 }) => `!(${lessThanUnsigned(e.lo(rs1), e.lo(rs2), [e.hi(rs1), e.hi(rs2)])})`,
};

function equal(e: Emitter, { rs1, rs2 }: Insn, operator: '===' | '!=='): string {
  if (rs2 === 0) return `(${e.lo(rs1)}|${e.hi(rs1)})${operator}0`;
  const [low, high] = [`${e.lo(rs1)}${operator}${e.lo(rs2)}`, `${e.hi(rs1)}${operator}${e.hi(rs2)}`];
  return operator === '===' ? `${low}&&${high}` : `${low}||${high}`;
}

/** Goes on at `pc`: in the region if it is there, else by leaving it. */
function goTo(e: Emitter, pc: number, labels: Labels): string {
  const label = labels.get(pc);
  return label === undefined ? e.leave(pc) : `L=${label};continue run;`;
}

/** What follows a block's last instruction, `insn` at `e.pc`; `next` is the address of the block written behind it. */
export function emitEnd(e: Emitter, block: Block, labels: Labels, next: number | undefined): string {
  const insn = block.insns[block.insns.length - 1]!;
  const target = e.pc + insn.imm;
  const fallThrough = (pc: number) => (pc === next ? '' : goTo(e, pc, labels));
  switch (insn.definition.format) {
    case 'branch': {
      const condition = CONDITIONS[insn.definition.name]!(e, insn);
      // A loop of one block goes round without the switch.
      const taken = target === block.start ? 'continue;' : goTo(e, target, labels);
      return `if(${condition}){${taken}}${target === block.start ? 'break;}' : ''}${fallThrough(block.end)}`;
    }
    case 'J':
      return constant(e, insn.rd, block.end) + fallThrough(target);
    case 'jalr':
      return emitJumpRegister(e, insn, block, labels);
    default:
      return fallThrough(block.end);
  }
}

/** Is this block a loop of its own, to be written as one? */
export function isSelfLoop({ start, end, insns }: Block): boolean {
  const last = insns[insns.length - 1]!;
  return last.definition.format === 'branch' && end - last.length + last.imm === start;
}

/** A return may lead to a call in the region; any other jump by register leaves it. */
function emitJumpRegister(e: Emitter, insn: Insn, block: Block, labels: Labels): string {
  const low = insn.imm === 0 ? e.lo(insn.rs1) : `(${e.lo(insn.rs1)}+${insn.imm})|0`;
  const isPlain = insn.imm === 0;
  const target = isPlain
    ? `(${e.hi(insn.rs1)}>>>0)*4294967296+((${low}&-2)>>>0)`
    : `J(${e.lo(insn.rs1)},${e.hi(insn.rs1)},${insn.imm})`;
  const isReturn = insn.rs1 === 2 && insn.rd === NOWHERE && isPlain;
  const ways = isReturn ? [...labels].filter(([pc]) => e.returnPoints.has(pc)).slice(0, 6) : [];
  const known = ways.map(
    ([pc, label]) =>
      `if(${low}===${pc | 0}&&${e.hi(insn.rs1)}===${Math.floor(pc / 2 ** 32) | 0}){L=${label};continue run;}`,
  );
  return `${known.join('')}j=${target};${constant(e, insn.rd, block.end)}e=-1;break run;`;
}
