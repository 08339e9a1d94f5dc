import type { Cpu } from '../cpu.js';
import type { Insn } from './instruction.js';
import { Flag, Round, raised } from './soft-float.js';
import type { TrapCode } from './trap.js';

export const CANONICAL_NAN = 0x7fc00000;

/** The single in a register as a number; NaN when it is not boxed. */
export function singleOf(cpu: Cpu, index: number): number {
  return cpu.f[index + 1] === -1 ? cpu.singles[index]! : Number.NaN;
}

export function doubleOf(cpu: Cpu, index: number): number {
  return cpu.doubles[index >> 1]!;
}

/** The bits of the single in a register, the default NaN when it is not boxed. */
export function singleBits(cpu: Cpu, index: number): number {
  return cpu.f[index + 1] === -1 ? cpu.f[index]! : CANONICAL_NAN;
}

/** Boxes the bits of a single. */
export function putSingleBits(cpu: Cpu, index: number, bits: number): TrapCode {
  cpu.f[index] = bits;
  cpu.f[index + 1] = -1;
  return 0;
}

/** Boxes a single that is no NaN. */
export function putSingle(cpu: Cpu, index: number, value: number): TrapCode {
  cpu.singles[index] = value;
  cpu.f[index + 1] = -1;
  return 0;
}

/** Writes a double that is no NaN. */
export function putDouble(cpu: Cpu, index: number, value: number): TrapCode {
  cpu.doubles[index >> 1] = value;
  return 0;
}

/** The rounding mode of an instruction; above 4 it has none. */
export function roundingOf(cpu: Cpu, { imm }: Insn): number {
  return imm === 7 ? (cpu.fcsr >> 5) & 7 : imm;
}

/** May results of ordinary size come straight from JavaScript? */
export function isQuick(cpu: Cpu, rounding: number): boolean {
  return rounding === Round.nearestEven && (cpu.fcsr & Flag.inexact) !== 0;
}

/** Moves what the reference raised to fcsr. */
export function accrue(cpu: Cpu): TrapCode {
  cpu.fcsr |= raised.flags;
  raised.flags = 0;
  return 0;
}
