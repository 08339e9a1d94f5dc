import { type Insn, NOWHERE } from '../isa/instruction.js';
import { Assembler } from './assembler.js';
import { At, ENTRY_MASK } from './core-layout.js';
import { Op, Type } from './op.js';

/** What every region's module imports, by index. */
export const Imported = { load: 0, store: 1, reference: 2, fma: 3, fmaSingle: 4 } as const;

/** The tag of `size` bytes at an address: only an aligned access that stays in its page can be in the TLB. */
const pageMask = (size: number): number => -4096 + size - 1;

/** The code of one instruction of a region. */
export type Emit = (e: Emitter, insn: Insn) => void;

/**
 * Writes the function of one region. Its parameter is how many instructions it may retire. Integer registers are locals
 * from its beginning to its end; float registers and fcsr stay in memory.
 */
export class Emitter extends Assembler {
  /** Leaves with `nextPc` set, to whatever code there is for it unless `trapped` is set. */
  readonly leave = {};
  /** Leaves because of what an import answered in `trapped`: see `CoreCalls`. */
  readonly trap = {};
  readonly left = 0;
  readonly nextPc = this.local(Type.i64);
  /** 0; or one more than the trap. */
  readonly trapped = this.local(Type.i32);
  readonly unretired = this.local(Type.i32);
  readonly address = this.local(Type.i64);
  readonly entry = this.local(Type.i32);
  readonly wide = [this.local(Type.i64), this.local(Type.i64), this.local(Type.i64)] as const;
  readonly double = this.local(Type.f64);
  readonly single = this.local(Type.f32);
  /** Locals of the registers (1 to 31) that the region reads or writes, and the registers that it writes. */
  readonly registers = new Map<number, number>();
  readonly written = new Set<number>();
  /** The instruction's address, and how many of its block were charged but have not retired before it. */
  pc = 0;
  charged = 0;

  /** `insns`: instructions that the module's code hands to their reference handlers. */
  constructor(private readonly insns: Insn[]) {
    super(1);
  }

  /** Pushes the register at `index` of `x`. */
  reg(index: number): void {
    if (index === 0) this.i64(0);
    else this.get(this.register(index));
  }

  /** Pushes the register plus `imm`; a sum with nothing is the register. */
  sum(index: number, imm: number): void {
    this.reg(index);
    if (imm === 0) return;
    this.i64(imm);
    this.op(Op.i64Add);
  }

  /** Its low half. */
  low(index: number): void {
    if (index === 0) this.i32(0);
    else {
      this.reg(index);
      this.op(Op.i32WrapI64);
    }
  }

  /** Takes the register's new value from the stack. */
  put(rd: number): void {
    if (rd === NOWHERE) {
      this.set(this.wide[2]);
      return;
    }
    this.written.add(rd >> 1);
    this.set(this.register(rd));
  }

  private register(index: number): number {
    let local = this.registers.get(index >> 1);
    if (local === undefined) {
      local = this.local(Type.i64);
      this.registers.set(index >> 1, local);
    }
    return local;
  }

  leaveTo(pc: number): void {
    this.i64(pc);
    this.set(this.nextPc);
    this.branch(Op.br, this.leave);
  }

  /** Pushes `size` bytes at rs1 + imm as `op`, which loads an i64, has them. */
  loadGuest({ rs1, imm, length }: Insn, op: number, size: number): void {
    this.lookUp(rs1, imm, { size, tlb: At.loads });
    this.open(Op.if, {}, Type.i64);
    this.callSlow(Imported.load, size, length);
    this.load(op, At.value);
    this.op(Op.else);
    this.pushPlace(At.loads);
    this.memory(op, 0);
    this.close();
  }

  /** Stores the low `size` bytes of the i64 that `value` pushes. */
  storeGuest({ rs1, imm, length }: Insn, op: number, { size, value }: { size: number; value: () => void }): void {
    this.lookUp(rs1, imm, { size, tlb: At.stores });
    this.open(Op.if);
    this.store(Op.i64Store, At.value, value);
    this.callSlow(Imported.store, size, length);
    this.op(Op.else);
    this.pushPlace(At.stores);
    value();
    this.memory(op, 0);
    this.close();
  }

  /** Leaves the address in `address`, its TLB entry in `entry`, and pushes whether the entry refuses the access. */
  private lookUp(rs1: number, imm: number, { size, tlb }: { size: number; tlb: number }): void {
    this.sum(rs1, imm);
    this.tee(this.address);
    this.i64(pageMask(size));
    this.op(Op.i64And);
    this.pushTag(tlb, this.address, () => {
      this.i32(8);
      this.op(Op.i32ShrU);
    });
    this.op(Op.i64Ne);
  }

  /** Pushes the tag of the entry of `table` for a key, and leaves its place in `entry`: `shift` brings the key's low half there. */
  pushTag(table: number, key: number, shift: () => void): void {
    this.get(key);
    this.op(Op.i32WrapI64);
    shift();
    this.i32(ENTRY_MASK);
    this.op(Op.i32And);
    this.tee(this.entry);
    this.memory(Op.i64Load, table);
  }

  /** Pushes where in the memory the bytes are. */
  private pushPlace(tlb: number): void {
    this.get(this.address);
    this.op(Op.i32WrapI64);
    this.get(this.entry);
    this.memory(Op.i32Load, tlb + 8);
    this.op(Op.i32Add);
  }

  private callSlow(callee: number, size: number, length: number): void {
    this.get(this.address);
    this.op(Op.i32WrapI64);
    this.get(this.address);
    this.i64(32);
    this.op(Op.i64ShrU, Op.i32WrapI64);
    this.i32(size);
    this.i32(length);
    this.callTrapping(callee);
  }

  /** Calls with the arguments on the stack; leaves the region unless it answers 0, with register `rd` taken from memory first. */
  private callTrapping(callee: number, rd = 0): void {
    this.i64(this.pc);
    this.set(this.nextPc);
    this.i32(this.charged);
    this.set(this.unretired);
    this.call(callee);
    this.set(this.trapped);
    if (rd !== 0) {
      this.load(Op.i64Load, At.x + 4 * rd);
      this.put(rd);
    }
    this.get(this.trapped);
    this.branch(Op.brIf, this.trap);
  }

  /**
   * Has the reference handler run the instruction, with the registers where it looks for them. Its result counts when it leaves the region
   * because it changed code, too; where it traps instead, the register has what it had.
   */
  byReference(insn: Insn, { reads, writes }: { reads: readonly number[]; writes: boolean }): void {
    const rd = writes && insn.rd !== NOWHERE ? insn.rd : 0;
    for (const index of new Set([...reads, rd]))
      if (index !== 0) this.store(Op.i64Store, At.x + 4 * index, () => this.reg(index));
    this.i32(this.insns.push(insn) - 1);
    this.callTrapping(Imported.reference, rd);
  }
}
