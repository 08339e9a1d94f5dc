import { Wasm, type WasmModule, type WasmTable } from '../../core/web-assembly.js';
import type { Hart } from '../hart.js';
import { Trap } from '../isa/trap.js';
import { Assembler } from '../wasm/assembler.js';
import { At, ENTRIES, ENTRY_MASK } from '../wasm/core-layout.js';
import { moduleBytes } from '../wasm/module.js';
import { Op } from '../wasm/op.js';
import { type CompiledCode, FUSED_TYPE, REGION_TYPES } from './compile.js';
import { multiplyAdd, multiplyAddSingle } from './fused.js';
import { moduleCache } from './module-cache.js';

const FIRST_SLOTS = 256;
/** Compiled code that a core may hold, used or not. The host makes about 200 KiB of a module, of which its code is the lesser part. */
const MAX_MODULES = 512;
const MAX_CODE_BYTES = 2 ** 22;
/** No program has code there. */
const NO_PC = -1;

/** Of all cores, compiled with the first of them. */
let entry: WasmModule | undefined;

/** The way into compiled code, and functions that all of it calls. */
function makeEntry(): WasmModule {
  const code = new Assembler(2);
  code.get(0);
  code.get(1);
  code.op(Op.callIndirect, 0, 0);
  const [type] = REGION_TYPES;
  const types = [...REGION_TYPES, { parameters: [...type.parameters, ...type.parameters], results: type.results }];
  const functions = [
    ['run', types.length - 1, code],
    ['fma', FUSED_TYPE, multiplyAdd()],
    ['fmaSingle', FUSED_TYPE, multiplyAddSingle()],
  ] as const;
  return new Wasm.Module(moduleBytes({ types, imports: [], functions }));
}

/**
 * The compiled code of a core: a table of functions, and by which number in it code goes on that leads out of its region.
 * What such code calls answers 0; a trap; or, when the instruction has retired and changed code, its negative length.
 */
export class Core {
  /** Modules of compiled code, and their bytes. The table holds them all, even those of which no function is in it any more. */
  modules = 0;
  codeBytes = 0;
  /** Of modules: with so many the core is full. */
  maxModules = MAX_MODULES;
  private table!: WasmTable;
  private free: number[] = [];
  private used = 0;
  /** Entries of four words: an address in two halves, and where its code is in the table. */
  private readonly jumps: Int32Array;
  private hasJumps = false;
  private readonly pc: Float64Array;
  private readonly left: Int32Array;
  private readonly value: Int32Array;
  private shared!: Readonly<Record<string, unknown>>;
  /** Runs the code at `slot` for at most `left` instructions and answers the trap; see `nextPc` and `instructionsLeft`. */
  run!: (left: number, slot: number) => number;

  constructor(private readonly hart: Hart) {
    const { memory } = hart.ram;
    this.jumps = new Int32Array(memory.buffer, At.jumps, 4 * ENTRIES).fill(NO_PC);
    this.pc = new Float64Array(memory.buffer, At.pc, 1);
    this.left = new Int32Array(memory.buffer, At.left, 1);
    this.value = new Int32Array(memory.buffer, At.value, 2);
    this.startAfresh();
  }

  /** All code is gone, and the table with it: while that is there, so is every module that ever had a function in it. */
  startAfresh(): void {
    this.table = new Wasm.Table({ element: 'anyfunc', initial: FIRST_SLOTS });
    this.free = [];
    this.used = 0;
    this.modules = 0;
    this.codeBytes = 0;
    this.forgetJumps();
    const imports = {
      memory: this.hart.ram.memory,
      table: this.table,
      load: (lo: number, hi: number, size: number) => this.load(lo, hi, size),
      store: (lo: number, hi: number, size: number, length: number) => this.store(lo, hi, size, length),
    };
    entry ??= makeEntry();
    const { run, fma, fmaSingle } = new Wasm.Instance(entry, { env: imports }).exports;
    this.shared = { ...imports, fma, fmaSingle };
    this.run = run as Core['run'];
  }

  /** Where code has left, and what it has left of its instructions. */
  get nextPc(): number {
    return this.pc[0]!;
  }

  get instructionsLeft(): number {
    return this.left[0]!;
  }

  /** Compiled regions there are. */
  get size(): number {
    return this.used - this.free.length;
  }

  get isFull(): boolean {
    return this.modules >= this.maxModules || this.codeBytes >= MAX_CODE_BYTES;
  }

  /** Makes regions runnable; answers their slots. */
  add({ bytes, insns, count }: CompiledCode): number[] {
    const { hart } = this;
    this.modules++;
    this.codeBytes += bytes.length;
    const reference = (k: number) => {
      const { generation } = hart.code;
      const insn = insns[k]!;
      const trap = insn.exec(hart.cpu!, insn);
      return trap === Trap.budget && generation !== hart.code.generation ? -insn.length : trap;
    };
    const { exports } = new Wasm.Instance(moduleCache.moduleOf(bytes), { env: { ...this.shared, reference } });
    return Array.from({ length: count }, (_, i) => {
      const slot = this.free.pop() ?? this.used++;
      if (slot === this.table.length) this.table.grow(slot);
      this.table.set(slot, exports[`run${i}`]);
      return slot;
    });
  }

  /** Nothing goes on at the code in `slot` any more, which other code gets. */
  remove(slot: number): void {
    this.table.set(slot, null);
    this.free.push(slot);
    this.forgetJumps();
  }

  /** Code that goes on at `pc` finds this from now on. */
  addJump(pc: number, slot: number): void {
    const { jumps } = this;
    const i = ((pc << 3) & ENTRY_MASK) >>> 2;
    jumps[i] = pc;
    jumps[i + 1] = Math.floor(pc / 2 ** 32);
    jumps[i + 2] = slot;
    this.hasJumps = true;
  }

  /** The slot of the code at `pc` if it is known to be what there is, or -1. */
  jumpAt(pc: number): number {
    const { jumps } = this;
    const i = ((pc << 3) & ENTRY_MASK) >>> 2;
    return jumps[i] === (pc | 0) && jumps[i + 1] === Math.floor(pc / 2 ** 32) ? jumps[i + 2]! : -1;
  }

  forgetJumps(): void {
    if (this.hasJumps) this.jumps.fill(NO_PC);
    this.hasJumps = false;
  }

  private load(lo: number, hi: number, size: number): number {
    const { hart } = this;
    const trap = hart.loadSlow(hi, lo, size);
    if (trap !== Trap.budget) {
      hart.cpu!.trapAddr = hart.trapAddr;
      return trap;
    }
    this.value[0] = hart.lo;
    this.value[1] = hart.hi;
    return 0;
  }

  private store(lo: number, hi: number, size: number, length: number): number {
    const { hart } = this;
    const { generation } = hart.code;
    const trap = hart.storeSlow(hi, lo, size, this.value[0]!, this.value[1]!);
    if (trap !== Trap.budget) {
      hart.cpu!.trapAddr = hart.trapAddr;
      return trap;
    }
    return generation === hart.code.generation ? 0 : -length;
  }
}
