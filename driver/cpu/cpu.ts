import { runRegions } from './compiler/run-regions.js';
import type { CpuMemory } from './cpu-memory.js';
import type { Hart } from './hart.js';
import { interpret } from './isa/interp.js';
import type { TrapCode } from './isa/trap.js';
import { Registers } from './registers.js';

/** Compiled code counts in 32 bits. */
const MAX_RUN = 2 ** 30;

/**
 * The user-visible state of one RV64GC thread. Many share a `Hart`, which holds what a core has once: TLB, decoded
 * code, reservation.
 */
export class Cpu {
  /** Where the registers are while the thread is not on the core. */
  private readonly own = new Registers();
  x = this.own.x;
  f = this.own.f;
  doubles = this.own.doubles;
  singles = this.own.singles;
  private control = this.own.fcsr;
  pc = 0;
  /** Where the instruction that is running will leave the pc. */
  nextPc = 0;
  insnLength = 0;
  /** Instructions retired. */
  instret = 0;
  /** What the last compiled code left of its instructions. */
  left = 0;
  /** Address of the last load, store or fetch fault; wild addresses above 2^53 lose low bits. */
  trapAddr = 0;

  constructor(
    readonly hart: Hart,
    /** Replaced by exec. */
    public memory: CpuMemory,
  ) {}

  /** Rounding mode in bits 5 to 7, accrued flags NV DZ OF UF NX below. */
  get fcsr(): number {
    return this.control[0]!;
  }

  set fcsr(value: number) {
    this.control[0] = value;
  }

  /** The core takes the thread's registers, which are its own until the thread leaves. */
  enterCore(registers: Registers): void {
    registers.copyFrom(this.own);
    this.use(registers);
  }

  leaveCore(): void {
    this.own.copyFrom(this.hart.registers);
    this.use(this.own);
  }

  private use({ x, f, doubles, singles, fcsr }: Registers): void {
    this.x = x;
    this.f = f;
    this.doubles = doubles;
    this.singles = singles;
    this.control = fcsr;
  }

  /** Retires at most `maxInstructions` and says why it stopped. */
  run(maxInstructions: number): TrapCode {
    this.hart.activate(this);
    const count = Math.min(maxInstructions, MAX_RUN);
    return this.hart.tier === 'interp' ? interpret(this, count) : runRegions(this, count);
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
