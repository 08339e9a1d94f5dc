import type { Cpu } from '../cpu.js';
import { Trap, type TrapCode } from './trap.js';

/** The reference: one instruction after the other, at most `maxInstructions`. */
export function interpret(cpu: Cpu, maxInstructions: number): TrapCode {
  for (let left = maxInstructions; left > 0; left--) {
    const trap = step(cpu);
    if (trap !== Trap.budget) return trap;
    cpu.pc = cpu.nextPc;
  }
  return Trap.budget;
}

/** As `interpret`, up to and with the next instruction that is not followed by its neighbour. Leaves `cpu.left`. */
export function interpretToTransfer(cpu: Cpu, maxInstructions: number): TrapCode {
  const { hart } = cpu;
  let left = maxInstructions;
  let trap: TrapCode = Trap.budget;
  while (left > 0) {
    const { generation } = hart.code;
    trap = step(cpu);
    if (trap !== Trap.budget) break;
    left--;
    const isNeighbour = cpu.nextPc === cpu.pc + cpu.insnLength;
    cpu.pc = cpu.nextPc;
    if (!isNeighbour || generation !== hart.code.generation) break;
  }
  cpu.left = left;
  return trap;
}

/** Runs the instruction at the pc, which it leaves alone, and counts it if it retires. */
function step(cpu: Cpu): TrapCode {
  const insn = cpu.hart.fetch(cpu.pc);
  if (insn === null) {
    cpu.trapAddr = cpu.hart.trapAddr;
    return Trap.fetchFault;
  }
  cpu.insnLength = insn.length;
  cpu.nextPc = cpu.pc + insn.length;
  const trap = insn.exec(cpu, insn);
  if (trap === Trap.budget) cpu.instret++;
  return trap;
}
