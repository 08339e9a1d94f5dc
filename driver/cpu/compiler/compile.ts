import { type Insn, NOWHERE } from '../isa/instruction.js';
import { At } from '../wasm/core-layout.js';
import { Emitter } from '../wasm/emitter.js';
import { moduleBytes, type Signature } from '../wasm/module.js';
import { Op, Type } from '../wasm/op.js';
import { type Flow, type FlowNode, flowOf, isStructured } from './flow.js';
import { isControl, type Region, successors } from './region.js';

/** A module of regions, whose functions are `run0` and so on, and the instructions that they hand to the reference. */
export interface CompiledCode {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly insns: readonly Insn[];
}

/** A region takes how many instructions it may retire and answers the trap, as the reference does of one; slow paths; fused arithmetic. */
export const REGION_TYPES = [
  { parameters: [Type.i32], results: [Type.i32] },
  { parameters: [Type.i32, Type.i32, Type.i32, Type.i32], results: [Type.i32] },
  { parameters: [Type.f64, Type.f64, Type.f64], results: [Type.f64] },
] as const satisfies readonly Signature[];
export const FUSED_TYPE = 2;

/** By `Imported`. */
const IMPORTS = [
  ['load', 1],
  ['store', 1],
  ['reference', 0],
  ['fma', FUSED_TYPE],
  ['fmaSingle', FUSED_TYPE],
] as const;

export function compileRegions(regions: readonly Region[]): CompiledCode {
  const insns: Insn[] = [];
  const functions = regions.map((region, i) => [`run${i}`, 0, compileRegion(region, insns)] as const);
  return { count: regions.length, bytes: moduleBytes({ types: REGION_TYPES, imports: IMPORTS, functions }), insns };
}

function compileRegion(region: Region, insns: Insn[]): Emitter {
  const e = new Emitter(insns);
  const flow = flowOf(region, successors);
  e.open(Op.block, e.leave);
  e.open(Op.block, e.trap);
  emitTree({ e, flow }, flow.get(region.entry)!);
  e.op(Op.unreachable);
  e.close();
  emitTrap(e);
  e.close();
  emitLeave(e);
  return withRegisters(e);
}

interface Context {
  readonly e: Emitter;
  readonly flow: Flow;
}

/** A node and all that it dominates. */
function emitTree(context: Context, node: FlowNode): void {
  if (node.isLoop) context.e.open(Op.loop, node);
  emitWithin(
    context,
    node,
    node.children.filter(({ isMerge }) => isMerge),
  );
  if (node.isLoop) context.e.close();
}

/** The merge nodes are behind blocks that end where they begin. */
function emitWithin(context: Context, node: FlowNode, [merge, ...others]: readonly FlowNode[]): void {
  if (merge === undefined) {
    emitBlock(context, node);
    return;
  }
  context.e.open(Op.block, merge.block);
  emitWithin(context, node, others);
  context.e.close();
  emitTree(context, merge);
}

/** A block charges all its instructions at once; where too few are left the interpreter takes over. */
function emitBlock(context: Context, node: FlowNode): void {
  const { e } = context;
  const { insns, start } = node.block;
  charge(e, insns.length, start);
  e.pc = start;
  insns.forEach((insn, k) => {
    e.charged = insns.length - k;
    if (!isControl(insn)) insn.definition.emit(e, insn);
    if (k + 1 < insns.length) e.pc += insn.length;
  });
  emitEnd(context, node);
}

function charge(e: Emitter, count: number, start: number): void {
  e.get(e.left);
  e.i32(count);
  e.op(Op.i32Sub);
  e.tee(e.left);
  e.i32(0);
  e.op(Op.i32LtS);
  e.open(Op.if);
  e.increase(e.left, count);
  e.i32(1);
  e.set(e.trapped);
  e.leaveTo(start);
  e.close();
}

/** What follows a block's last instruction. */
function emitEnd(context: Context, node: FlowNode): void {
  const { e } = context;
  const { insns, end } = node.block;
  const insn = insns[insns.length - 1]!;
  switch (insn.definition.format) {
    case 'branch':
      emitBranch(context, node, insn);
      break;
    case 'J':
      link(e, insn, end);
      // A call is no way of the region's flow (`successors`), even where the function is in it.
      if (insn.rd === NOWHERE) goTo(context, node, e.pc + insn.imm);
      else e.leaveTo(e.pc + insn.imm);
      break;
    case 'jalr':
      emitJumpRegister(e, insn, end);
      break;
    default:
      goTo(context, node, end);
  }
}

const CONDITIONS: Readonly<Record<string, number>> = {
  beq: Op.i64Eq,
  bne: Op.i64Ne,
  blt: Op.i64LtS,
  bge: Op.i64GeS,
  bltu: Op.i64LtU,
  bgeu: Op.i64GeU,
};

function emitBranch(context: Context, node: FlowNode, { definition, rs1, rs2, imm }: Insn): void {
  const { e } = context;
  const target = e.pc + imm;
  e.reg(rs1);
  e.reg(rs2);
  e.op(CONDITIONS[definition.name]!);
  const label = labelOf(context, node, target);
  if (label !== null) e.branch(Op.brIf, label);
  else {
    e.open(Op.if);
    goTo(context, node, target);
    e.close();
  }
  goTo(context, node, node.block.end);
}

/** What a branch to `pc` names; null when what is there stands in its place. */
function labelOf({ flow }: Context, from: FlowNode, pc: number): object | null {
  const to = flow.get(pc);
  if (to === undefined || !isStructured(flow, from, to)) return null;
  if (to.number <= from.number) return to;
  return to.isMerge ? to.block : null;
}

/** Goes on at `pc`: in the region if it is there, else by leaving it. */
function goTo(context: Context, from: FlowNode, pc: number): void {
  const { e, flow } = context;
  const label = labelOf(context, from, pc);
  const to = flow.get(pc);
  if (label !== null) e.branch(Op.br, label);
  else if (to === undefined || to.number <= from.number) e.leaveTo(pc);
  else emitTree(context, to);
}

function link(e: Emitter, { rd }: Insn, end: number): void {
  if (rd === NOWHERE) return;
  e.i64(end);
  e.put(rd);
}

function emitJumpRegister(e: Emitter, insn: Insn, end: number): void {
  e.sum(insn.rs1, insn.imm);
  e.i64(-2);
  e.op(Op.i64And);
  e.set(e.nextPc);
  link(e, insn, end);
  e.branch(Op.br, e.leave);
}

/** Behind an import's answer: a trap of an instruction that has not retired, or by how much to go on behind one that has. */
function emitTrap(e: Emitter): void {
  e.get(e.left);
  e.get(e.unretired);
  e.op(Op.i32Add);
  e.set(e.left);
  e.get(e.trapped);
  e.i32(0);
  e.op(Op.i32LtS);
  e.open(Op.if);
  e.increase(e.left, -1);
  e.get(e.nextPc);
  e.get(e.trapped);
  e.op(Op.i64ExtendI32S, Op.i64Sub);
  e.set(e.nextPc);
  e.i32(0);
  e.set(e.trapped);
  e.close();
  e.increase(e.trapped, 1);
}

/** Registers go back, and other code goes on, or the caller. */
function emitLeave(e: Emitter): void {
  for (const register of e.written) e.store(Op.i64Store, At.x + 8 * register, () => e.reg(2 * register));
  e.get(e.trapped);
  e.op(Op.i32Eqz);
  e.open(Op.if);
  e.pushTag(At.jumps, e.nextPc, () => {
    e.i32(3);
    e.op(Op.i32Shl);
  });
  e.get(e.nextPc);
  e.op(Op.i64Eq);
  e.open(Op.if);
  e.get(e.left);
  e.get(e.entry);
  e.memory(Op.i32Load, At.jumps + 8);
  e.op(Op.returnCallIndirect, 0, 0);
  e.close();
  e.i32(1);
  e.set(e.trapped);
  e.close();
  e.store(Op.f64Store, At.pc, () => {
    e.get(e.nextPc);
    e.op(Op.f64ConvertI64U);
  });
  e.store(Op.i32Store, At.left, () => e.get(e.left));
  e.get(e.trapped);
  e.i32(1);
  e.op(Op.i32Sub);
}

/** Which registers are to be read first is known last. */
function withRegisters(e: Emitter): Emitter {
  const code = [...e.code];
  e.code.length = 0;
  for (const [register, local] of e.registers) {
    e.load(Op.i64Load, At.x + 8 * register);
    e.set(local);
  }
  for (const byte of code) e.code.push(byte);
  return e;
}
