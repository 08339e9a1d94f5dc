import type { Cpu } from '../cpu.js';
import { bits, define } from './define.js';
import { byReference } from './emit.js';
import type { Definition, Exec } from './instruction.js';
import { put, putNumber } from './int64.js';
import { Trap } from './trap.js';

/** The control and status registers of user mode. */
export const Csr = { fflags: 1, frm: 2, fcsr: 3, cycle: 0xc00, time: 0xc01, instret: 0xc02 } as const;

/** The value, or -1 when there is no such register. A hart retires one instruction a cycle and a tick. */
function readCsr(cpu: Cpu, csr: number): number {
  switch (csr) {
    case Csr.fflags:
      return cpu.fcsr & 0x1f;
    case Csr.frm:
      return (cpu.fcsr >> 5) & 7;
    case Csr.fcsr:
      return cpu.fcsr;
    case Csr.cycle:
    case Csr.time:
    case Csr.instret:
      return cpu.instret;
    default:
      return -1;
  }
}

function writeCsr(cpu: Cpu, csr: number, value: number): boolean {
  if (csr === Csr.fflags) cpu.fcsr = (cpu.fcsr & ~0x1f) | (value & 0x1f);
  else if (csr === Csr.frm) cpu.fcsr = (cpu.fcsr & 0x1f) | ((value & 7) << 5);
  else if (csr === Csr.fcsr) cpu.fcsr = value & 0xff;
  else return false;
  return true;
}

/** The value to write from the old one and the operand. */
type Change = (old: number, by: number) => number;

/** `writesAlways` is csrrw; the others only write when their source is not x0 (or not 0). */
function csr(change: Change, options: { immediate: boolean; writesAlways: boolean }): Exec {
  return (cpu, insn) => {
    const field = (insn.word >>> 15) & 31;
    const old = readCsr(cpu, insn.imm);
    if (old < 0) return Trap.illegal;
    const by = options.immediate ? field : cpu.x[insn.rs1]!;
    if (options.writesAlways || field !== 0) {
      if (!writeCsr(cpu, insn.imm, change(old, by))) return Trap.illegal;
    }
    return old < 256 ? put(cpu.x, insn.rd, old, 0) : putNumber(cpu.x, insn.rd, old);
  };
}

const write: Change = (_, by) => by;
const set: Change = (old, by) => old | by;
const clear: Change = (old, by) => old & ~by;

/** Zicsr. */
export const CSR: readonly Definition[] = [
  define('csrrw', 'csr', bits(0x73, 1), csr(write, { immediate: false, writesAlways: true }), byReference),
  define('csrrs', 'csr', bits(0x73, 2), csr(set, { immediate: false, writesAlways: false }), byReference),
  define('csrrc', 'csr', bits(0x73, 3), csr(clear, { immediate: false, writesAlways: false }), byReference),
  define('csrrwi', 'csri', bits(0x73, 5), csr(write, { immediate: true, writesAlways: true }), byReference),
  define('csrrsi', 'csri', bits(0x73, 6), csr(set, { immediate: true, writesAlways: false }), byReference),
  define('csrrci', 'csri', bits(0x73, 7), csr(clear, { immediate: true, writesAlways: false }), byReference),
];
