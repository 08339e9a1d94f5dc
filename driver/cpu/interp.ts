import type { Cpu } from './cpu.js';
import { Trap, type TrapCode } from './trap.js';

/** The reference: one instruction after the other, at most `maxInstructions`. */
export function interpret(cpu: Cpu, maxInstructions: number): TrapCode {
  for (let left = maxInstructions; left > 0; left--) {
    const insn = cpu.hart.fetch(cpu.pc);
    if (insn === null) {
      cpu.trapAddr = cpu.hart.trapAddr;
      return Trap.fetchFault;
    }
    cpu.nextPc = cpu.pc + insn.length;
    const trap = insn.exec(cpu, insn);
    if (trap !== Trap.budget) return trap;
    cpu.pc = cpu.nextPc;
    cpu.instret++;
  }
  return Trap.budget;
}
