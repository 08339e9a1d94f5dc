import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Hart } from '../hart.js';
import { type Insn, NOWHERE } from '../isa/instruction.js';
import { Csr } from '../isa/ops-csr.js';
import type { CodePage } from './code-cache.js';

/** Straight code with one entry. Its last instruction may branch or jump; else it falls into the block at `end`. */
export interface Block {
  readonly start: number;
  readonly insns: readonly Insn[];
  /** The address behind the last instruction. */
  readonly end: number;
}

/** What is compiled into one function: blocks that lead to each other. */
export interface Region {
  readonly entry: number;
  readonly blocks: readonly Block[];
  /** Every page that an instruction came from. */
  readonly pages: readonly CodePage[];
}

const MAX_INSNS = 300;
const MAX_BLOCKS = 48;
const MAX_BLOCK_INSNS = 100;

/** Instructions that the interpreter must run: they need the exact state of the hart, or trap. */
function endsRegion(insn: Insn): boolean {
  const { name, format } = insn.definition;
  if (format === 'csr' || format === 'csri') return insn.imm >= Csr.cycle;
  return name === 'fence.i' || name === 'ebreak' || name === 'ecall' || name === 'illegal';
}

export function isControl({ definition: { format } }: Insn): boolean {
  return format === 'branch' || format === 'J' || format === 'jalr';
}

/** Follows the code from `entry` along every way that has been taken so far. Null when not even one instruction fits. */
export function formRegion(hart: Hart, entry: number): Region | null {
  const blocks: Block[] = [];
  const known = new Set<number>([entry]);
  const pages = new Map<number, CodePage>();
  const queue = [entry];
  let insns = 0;
  const add = (pc: number) => {
    if (known.has(pc) || known.size >= MAX_BLOCKS) return;
    known.add(pc);
    queue.push(pc);
  };
  while (queue.length > 0 && insns < MAX_INSNS) {
    const block = formBlock(hart, queue.pop()!, known);
    if (block.insns.length === 0) continue;
    blocks.push(block);
    insns += block.insns.length;
    notePages(hart, block, pages);
    for (const pc of successors(block))
      if (!isCompiled(hart, pc) && (pc === block.end || wasVisited(hart, pc))) add(pc);
  }
  return blocks[0]?.start === entry ? { entry, blocks, pages: [...pages.values()] } : null;
}

function formBlock(hart: Hart, start: number, known: ReadonlySet<number>): Block {
  const insns: Insn[] = [];
  let pc = start;
  while (insns.length < MAX_BLOCK_INSNS) {
    if (pc !== start && known.has(pc)) break;
    const insn = hart.fetch(pc);
    if (insn === null || endsRegion(insn)) break;
    insns.push(insn);
    pc += insn.length;
    if (isControl(insn)) break;
  }
  return { start, insns, end: pc };
}

function notePages(hart: Hart, { start, end }: Block, pages: Map<number, CodePage>): void {
  for (let vpn = Math.floor(start / PAGE_SIZE); vpn <= Math.floor((end - 1) / PAGE_SIZE); vpn++) {
    pages.set(vpn, hart.codePage(vpn)!);
  }
}

/** Where a block may go on, the way that is to be written behind it last; where a jump by register leads is not known. */
export function successors({ insns, end }: Block): number[] {
  const last = insns[insns.length - 1]!;
  const target = end - last.length + last.imm;
  switch (last.definition.format) {
    case 'branch':
      return [target, end];
    case 'J':
      return last.rd === NOWHERE ? [target] : [];
    case 'jalr':
      return [];
    default:
      return [end];
  }
}

/** Code that control was never transferred to is left out. */
function wasVisited(hart: Hart, pc: number): boolean {
  const page = hart.codePage(Math.floor(pc / PAGE_SIZE));
  return page !== null && page.heat[(pc % PAGE_SIZE) >>> 1]! > 0;
}

/** Code that has a region of its own is not compiled twice. */
function isCompiled(hart: Hart, pc: number): boolean {
  const page = hart.codePage(Math.floor(pc / PAGE_SIZE));
  return page?.compiled.get((pc % PAGE_SIZE) >>> 1) != null;
}
