import { runRegions } from './compiler/run-regions.js';
import type { CpuMemory } from './cpu-memory.js';
import type { Hart } from './hart.js';
import { interpret } from './isa/interp.js';
import type { TrapCode } from './isa/trap.js';

/** Compiled code counts in 32 bits. */
const MAX_RUN = 2 ** 30;

/**
 * The user-visible state of one RV64GC thread. Many share a `Hart`, which holds what a core has once: TLB, decoded
 * code, reservation. `x[2 * i]` and `x[2 * i + 1]` are the low and high half of register i; `x[64]`, `x[65]` take what
 * is written to x0.
 */
export class Cpu {
  readonly x = new Int32Array(66);
  /** The float registers as halves, doubles and singles (the low single of register i is `singles[2 * i]`). */
  readonly f = new Int32Array(64);
  readonly doubles = new Float64Array(this.f.buffer);
  readonly singles = new Float32Array(this.f.buffer);
  /** Rounding mode in bits 5 to 7, accrued flags NV DZ OF UF NX below. */
  fcsr = 0;
  pc = 0;
  /** Where the instruction that is running will leave the pc. */
  nextPc = 0;
  insnLength = 0;
  /** Instructions retired. */
  instret = 0;
  /** What the last compiled code left of its instructions. */
  left = 0;
  /** Runs the reference alone, one instruction after the other. */
  interpretsOnly = false;
  /** Address of the last load, store or fetch fault; wild addresses above 2^53 lose low bits. */
  trapAddr = 0;

  constructor(
    readonly hart: Hart,
    /** Replaced by exec. */
    public memory: CpuMemory,
  ) {}

  /** Retires at most `maxInstructions` and says why it stopped. */
  run(maxInstructions: number): TrapCode {
    this.hart.activate(this);
    const count = Math.min(maxInstructions, MAX_RUN);
    return this.interpretsOnly ? interpret(this, count) : runRegions(this, count);
  }

  /** Makes this thread a copy of `other` (fork, clone); `memory` stays. */
  copyFrom(other: Cpu): void {
    this.x.set(other.x);
    this.f.set(other.f);
    this.fcsr = other.fcsr;
    this.pc = other.pc;
  }

  /** What fence.i and riscv_flush_icache do: code is fetched anew. */
  flushCode(): void {
    this.hart.localFlushTlbAll();
  }

  /** Register `index` as an unsigned number; exact below 2^53. */
  unsigned(index: number): number {
    return (this.x[2 * index + 1]! >>> 0) * 2 ** 32 + (this.x[2 * index]! >>> 0);
  }

  /** Register `index` as a signed number; exact within 2^53. */
  signed(index: number): number {
    return this.x[2 * index + 1]! * 2 ** 32 + (this.x[2 * index]! >>> 0);
  }

  /** Sets register `index` to a signed or unsigned number within 2^53. */
  set(index: number, value: number): void {
    if (index === 0) return;
    this.x[2 * index] = value % 2 ** 32;
    this.x[2 * index + 1] = Math.floor(value / 2 ** 32);
  }
}
