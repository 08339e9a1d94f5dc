import type { Cpu } from '../cpu.js';
import type { Emit } from '../wasm/emitter.js';
import { Op } from '../wasm/op.js';
import { bits, define } from './define.js';
import type { Definition, Insn } from './instruction.js';
import { put, putWord } from './int64.js';
import { Trap, type TrapCode } from './trap.js';

/** Loads into `hart.lo`, `hart.hi`, or traps. */
export function loadRaw(cpu: Cpu, { rs1, imm }: Insn, size: number): TrapCode {
  const trap = cpu.hart.load(cpu.x[rs1 + 1]!, cpu.x[rs1]!, imm, size);
  if (trap !== Trap.budget) cpu.trapAddr = cpu.hart.trapAddr;
  return trap;
}

/** Stores the halves at `from[index]`, or traps. */
export function storeRaw(cpu: Cpu, { rs1, rs2, imm }: Insn, size: number, from: Int32Array): TrapCode {
  const trap = cpu.hart.store(cpu.x[rs1 + 1]!, cpu.x[rs1]!, imm, size, from[rs2]!, from[rs2 + 1]!);
  if (trap !== Trap.budget) cpu.trapAddr = cpu.hart.trapAddr;
  return trap;
}

function load(op: number, size: number): Emit {
  return (e, insn) => {
    e.loadGuest(insn, op, size);
    e.put(insn.rd);
  };
}

function store(op: number, size: number): Emit {
  return (e, insn) => e.storeGuest(insn, op, { size, value: () => e.reg(insn.rs2) });
}

/** RV64I: loads and stores. */
export const MEMORY: readonly Definition[] = [
  define(
    'lb',
    'load',
    bits(3, 0),
    (cpu, i) => loadRaw(cpu, i, 1) || putWord(cpu.x, i.rd, (cpu.hart.lo << 24) >> 24),
    load(Op.i64Load8S, 1),
  ),
  define(
    'lh',
    'load',
    bits(3, 1),
    (cpu, i) => loadRaw(cpu, i, 2) || putWord(cpu.x, i.rd, (cpu.hart.lo << 16) >> 16),
    load(Op.i64Load16S, 2),
  ),
  define(
    'lw',
    'load',
    bits(3, 2),
    (cpu, i) => loadRaw(cpu, i, 4) || putWord(cpu.x, i.rd, cpu.hart.lo),
    load(Op.i64Load32S, 4),
  ),
  define(
    'ld',
    'load',
    bits(3, 3),
    (cpu, i) => loadRaw(cpu, i, 8) || put(cpu.x, i.rd, cpu.hart.lo, cpu.hart.hi),
    load(Op.i64Load, 8),
  ),
  define(
    'lbu',
    'load',
    bits(3, 4),
    (cpu, i) => loadRaw(cpu, i, 1) || put(cpu.x, i.rd, cpu.hart.lo, 0),
    load(Op.i64Load8U, 1),
  ),
  define(
    'lhu',
    'load',
    bits(3, 5),
    (cpu, i) => loadRaw(cpu, i, 2) || put(cpu.x, i.rd, cpu.hart.lo, 0),
    load(Op.i64Load16U, 2),
  ),
  define(
    'lwu',
    'load',
    bits(3, 6),
    (cpu, i) => loadRaw(cpu, i, 4) || put(cpu.x, i.rd, cpu.hart.lo, 0),
    load(Op.i64Load32U, 4),
  ),
  define('sb', 'store', bits(0x23, 0), (cpu, i) => storeRaw(cpu, i, 1, cpu.x), store(Op.i64Store8, 1)),
  define('sh', 'store', bits(0x23, 1), (cpu, i) => storeRaw(cpu, i, 2, cpu.x), store(Op.i64Store16, 2)),
  define('sw', 'store', bits(0x23, 2), (cpu, i) => storeRaw(cpu, i, 4, cpu.x), store(Op.i64Store32, 4)),
  define('sd', 'store', bits(0x23, 3), (cpu, i) => storeRaw(cpu, i, 8, cpu.x), store(Op.i64Store, 8)),
];
