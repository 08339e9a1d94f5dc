import type { Cpu } from '../cpu.js';
import { bits, define } from './define.js';
import { endsBlock } from './emit.js';
import type { Definition } from './instruction.js';
import { less, lessU, putNumber } from './int64.js';
import { Trap } from './trap.js';

function branch(cpu: Cpu, taken: boolean, imm: number): 0 {
  if (taken) cpu.nextPc = cpu.pc + imm;
  return Trap.budget;
}

/** RV64I: branches, jumps, traps and fences. */
export const CONTROL: readonly Definition[] = [
  define(
    'beq',
    'branch',
    bits(0x63, 0),
    (cpu, { rs1: a, rs2: b, imm }) => branch(cpu, cpu.x[a] === cpu.x[b] && cpu.x[a + 1] === cpu.x[b + 1], imm),
    endsBlock,
  ),
  define(
    'bne',
    'branch',
    bits(0x63, 1),
    (cpu, { rs1: a, rs2: b, imm }) => branch(cpu, cpu.x[a] !== cpu.x[b] || cpu.x[a + 1] !== cpu.x[b + 1], imm),
    endsBlock,
  ),
  define(
    'blt',
    'branch',
    bits(0x63, 4),
    (cpu, { rs1, rs2, imm }) => branch(cpu, less(cpu.x, rs1, rs2), imm),
    endsBlock,
  ),
  define(
    'bge',
    'branch',
    bits(0x63, 5),
    (cpu, { rs1, rs2, imm }) => branch(cpu, !less(cpu.x, rs1, rs2), imm),
    endsBlock,
  ),
  define(
    'bltu',
    'branch',
    bits(0x63, 6),
    (cpu, { rs1, rs2, imm }) => branch(cpu, lessU(cpu.x, rs1, rs2), imm),
    endsBlock,
  ),
  define(
    'bgeu',
    'branch',
    bits(0x63, 7),
    (cpu, { rs1, rs2, imm }) => branch(cpu, !lessU(cpu.x, rs1, rs2), imm),
    endsBlock,
  ),
  define(
    'jal',
    'J',
    0x6f,
    (cpu, { rd, imm }) => {
      putNumber(cpu.x, rd, cpu.nextPc);
      cpu.nextPc = cpu.pc + imm;
      return Trap.budget;
    },
    endsBlock,
  ),
  define(
    'jalr',
    'jalr',
    bits(0x67, 0),
    (cpu, { rd, rs1, imm }) => {
      const target = jumpTarget(cpu.x[rs1]!, cpu.x[rs1 + 1]!, imm);
      putNumber(cpu.x, rd, cpu.nextPc);
      cpu.nextPc = target;
      return Trap.budget;
    },
    endsBlock,
  ),
  define('ecall', 'none', 0x73, () => Trap.ecall, endsBlock),
  define('ebreak', 'none', 0x100073, () => Trap.ebreak, endsBlock),
  // One hart runs one thread at a time, so memory is always in order.
  define(
    'fence',
    'fence',
    bits(0xf, 0),
    () => Trap.budget,
    () => {},
  ),
  define(
    'fence.i',
    'fence',
    bits(0xf, 1),
    (cpu) => {
      cpu.hart.code.unmapAll();
      return Trap.budget;
    },
    endsBlock,
  ),
];

/** The sum of a register and an immediate with bit 0 clear, as an unsigned number. */
function jumpTarget(lo: number, hi: number, imm: number): number {
  const low = (lo >>> 0) + imm;
  const high = (hi + Math.floor(low / 2 ** 32)) >>> 0;
  return high * 2 ** 32 + ((low & -2) >>> 0);
}
