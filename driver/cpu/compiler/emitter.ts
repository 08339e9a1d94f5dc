import type { Insn } from '../isa/instruction.js';
import { NOWHERE } from '../isa/instruction.js';

/**
 * Writes the JavaScript of one region. Registers live in locals `r5` (low half) and `R5` (high half), always as signed
 * 32-bit numbers. Other names of the code: `c` the Cpu, `m` the Hart, `x`, `f`, `D`, `S` the register arrays, `T` the
 * TLB, `W`, `H`, `B` RAM, `n` instructions left, `t` the trap, `e` the exit, `L` the block, and temporaries `a`, `i`,
 * `v`, `w`, `d`, `g`.
 */
export class Emitter {
  /** Registers (1 to 31) that the region reads or writes, and those it writes. */
  readonly used = new Set<number>();
  readonly written = new Set<number>();
  /** Where exit `e` leaves the pc. */
  readonly exits: number[] = [];
  /** Addresses behind calls of the region, where its returns may lead. */
  readonly returnPoints = new Set<number>();
  /** Instructions that the code hands to their reference handlers. */
  readonly insns: Insn[] = [];
  /** State of the block that is being written: the instruction's address, and how many were charged but not retired. */
  pc = 0;
  unretired = 0;
  private readonly exitIndex = new Map<number, number>();

  /** The low half of the register at `index` of `x`. */
  lo(index: number): string {
    return index === 0 ? '0' : this.name('r', index);
  }

  hi(index: number): string {
    return index === 0 ? '0' : this.name('R', index);
  }

  /** Assigns both halves; the low one is evaluated last. Nothing for x0. */
  set(rd: number, lo: string, hi: string): string {
    if (rd === NOWHERE) return '';
    this.written.add(rd >> 1);
    return `${this.hi(rd)}=${hi};${this.lo(rd)}=${lo};`;
  }

  /** As `set`, the low half first. */
  setLowFirst(rd: number, lo: string, hi: string): string {
    if (rd === NOWHERE) return '';
    this.written.add(rd >> 1);
    return `${this.lo(rd)}=${lo};${this.hi(rd)}=${hi};`;
  }

  /** A 32-bit result, sign-extended. */
  setWord(rd: number, value: string): string {
    if (rd === NOWHERE) return '';
    this.written.add(rd >> 1);
    return `${this.lo(rd)}=${value};${this.hi(rd)}=${this.lo(rd)}>>31;`;
  }

  /** Leaves the region with the pc at `pc`. */
  leave(pc: number): string {
    return `e=${this.exit(pc)};break run;`;
  }

  /** Leaves because of the trap in `t`; this instruction and those behind it have not retired. */
  trap(): string {
    return `n+=${this.unretired};c.trapAddr=m.trapAddr;${this.leave(this.pc)}`;
  }

  /** Leaves behind this instruction if it wrote to code. */
  leaveIfCodeChanged(length: number): string {
    return `if(m.code.generation!==G){n+=${this.unretired - 1};${this.leave(this.pc + length)}}`;
  }

  /** Has the reference handler run the instruction, with the registers where it looks for them. */
  fallback(insn: Insn, { reads, writes }: { reads: readonly number[]; writes: boolean }): string {
    const k = this.insns.push(insn) - 1;
    const before = reads.filter((r) => r !== 0).map((r) => `x[${r}]=${this.lo(r)};x[${r + 1}]=${this.hi(r)};`);
    const after = writes ? this.set(insn.rd, `x[${insn.rd}]`, `x[${insn.rd + 1}]`) : '';
    return `${before.join('')}if((t=I[${k}].exec(c,I[${k}]))!==0){${this.trap()}}${after}`;
  }

  private exit(pc: number): number {
    const known = this.exitIndex.get(pc);
    if (known !== undefined) return known;
    const index = this.exits.push(pc) - 1;
    this.exitIndex.set(pc, index);
    return index;
  }

  private name(letter: string, index: number): string {
    this.used.add(index >> 1);
    return `${letter}${index >> 1}`;
  }
}

/** The JavaScript of one instruction. */
export type Emit = (e: Emitter, insn: Insn) => string;
