import { SIGCHLD } from '../../uapi/signal.js';
import { readU64, writeU64 } from '../../uapi/u64.js';
import type { Cpu } from '../cpu/cpu.js';
import type { AltStack } from '../sys/processes/program-signals.js';
import type { SignalInfo } from '../sys/processes/signal-info.js';
import type { SignalSet } from '../sys/processes/signal-set.js';

/**
 * struct rt_sigframe of riscv64: siginfo, then a ucontext whose mcontext is aligned to 16 bytes.
 *
 *   0    siginfo          128 bytes
 *   128  uc_flags, uc_link
 *   144  uc_stack         sp, flags, size
 *   168  uc_sigmask       8 bytes of 128
 *   304  pc, x1 .. x31    256 bytes
 *   560  f0 .. f31, fcsr  528 bytes, the size of the quad-precision state
 */
export const FRAME_BYTES = 1088;
export const INFO_OFFSET = 0;
export const UCONTEXT_OFFSET = 128;
const STACK_OFFSET = 144;
const MASK_OFFSET = 168;
const REGS_OFFSET = 304;
const FLOAT_OFFSET = 560;
const FCSR_OFFSET = FLOAT_OFFSET + 32 * 8;

export const SIGINFO_BYTES = 128;

/** What a signal frame keeps for rt_sigreturn(2). */
export interface SavedContext {
  readonly mask: SignalSet;
  readonly altStack: AltStack;
}

/** Little endian siginfo_t. */
export function encodeSiginfo(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, info.signo, true);
  view.setInt32(8, info.code, true);
  if (info.addr !== undefined) {
    writeU64(view, 16, info.addr);
    return bytes;
  }
  view.setInt32(16, info.pid ?? 0, true);
  if (info.signo === SIGCHLD) view.setInt32(24, info.status ?? 0, true);
  else view.setInt32(24, info.value ?? 0, true);
  return bytes;
}

/** What a program's own siginfo_t says; addresses of faults are not among it. */
export function decodeSiginfo(view: DataView): SignalInfo {
  return {
    signo: view.getInt32(0, true),
    code: view.getInt32(8, true),
    pid: view.getInt32(16, true),
    value: view.getInt32(24, true),
  };
}

export function encodeFrame(cpu: Cpu, info: SignalInfo, { mask, altStack }: SavedContext): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(encodeSiginfo(info), INFO_OFFSET);
  encodeAltStack(view, STACK_OFFSET, altStack);
  view.setInt32(MASK_OFFSET, mask.lo, true);
  view.setInt32(MASK_OFFSET + 4, mask.hi, true);
  writeU64(view, REGS_OFFSET, cpu.pc);
  for (let half = 2; half < 64; half++) view.setInt32(REGS_OFFSET + 4 * half, cpu.x[half]!, true);
  for (let half = 0; half < 64; half++) view.setInt32(FLOAT_OFFSET + 4 * half, cpu.f[half]!, true);
  view.setUint32(FCSR_OFFSET, cpu.fcsr, true);
  return bytes;
}

/** Puts the registers back and answers the rest. */
export function decodeFrame(cpu: Cpu, view: DataView): SavedContext {
  cpu.pc = readU64(view, REGS_OFFSET);
  for (let half = 2; half < 64; half++) cpu.x[half] = view.getInt32(REGS_OFFSET + 4 * half, true);
  for (let half = 0; half < 64; half++) cpu.f[half] = view.getInt32(FLOAT_OFFSET + 4 * half, true);
  cpu.fcsr = view.getUint32(FCSR_OFFSET, true);
  return {
    mask: { lo: view.getInt32(MASK_OFFSET, true), hi: view.getInt32(MASK_OFFSET + 4, true) },
    altStack: decodeAltStack(view, STACK_OFFSET),
  };
}

export const ALT_STACK_BYTES = 24;

export function encodeAltStack(view: DataView, at: number, { sp, size, flags }: AltStack): void {
  writeU64(view, at, sp);
  view.setInt32(at + 8, flags, true);
  writeU64(view, at + 16, size);
}

export function decodeAltStack(view: DataView, at: number): AltStack {
  return { sp: readU64(view, at), flags: view.getInt32(at + 8, true), size: readU64(view, at + 16) };
}
