import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../driver/cpu/cpu.js';
import { Trap } from '../../../driver/cpu/isa/trap.js';
import { count, some } from '../../counts.js';
import { needs } from '../../needs.js';
import { asm, BASE, Program, SIZE } from './assembler.js';
import { loadElf } from './elf-memory.js';
import { loadProgram } from './flat-memory.js';
import { randomProgram } from './random-program.js';

const COMPILER = 'riscv64-linux-gnu-gcc';

/** How often code is written anew. */
const ROUNDS = count(4, 200);

/** Everything an instruction can change, but for memory. */
function state(cpu: Cpu) {
  return {
    pc: cpu.pc.toString(16),
    retired: cpu.instret,
    fcsr: cpu.fcsr,
    x: Array.from(cpu.x.subarray(0, 64)).join(' '),
    f: Array.from(cpu.f).join(' '),
  };
}

/**
 * Runs compiled code and the reference side by side in slices of `slice()` instructions and compares all state after
 * each. Ends with the first ecall, or after `limit` instructions.
 */
function expectLockstep(make: () => Cpu, { limit, hot }: { limit: number; hot: number }, slice: () => number): void {
  const compiled = make();
  const reference = make();
  reference.hart.tier = 'interp';
  compiled.hart.code.hot = hot;
  while (reference.instret < limit) {
    const count = slice();
    const before = state(reference);
    const [ours, theirs] = [compiled.run(count), reference.run(count)];
    const [a, b] = [state(compiled), state(reference)];
    if (ours !== theirs || JSON.stringify(a) !== JSON.stringify(b)) {
      expect({ trap: ours, ...a }, `a slice of ${count} from ${before.pc}`).toEqual({ trap: theirs, ...b });
    }
    if (ours !== Trap.budget) break;
  }
  expect(Buffer.compare(compiled.hart.ram.bytes, reference.hart.ram.bytes)).toBe(0);
}

/** Slices of 1 to `most` instructions, the same ones each time. */
function randomSlices(most: number): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 1 + ((state >>> 8) % most);
  };
}

/** Nested loops with calls, a return to the middle, loads and stores, in about 40 instructions. */
function loops(): Uint8Array {
  const p = new Program();
  p.constant(8, BASE + 0x50000);
  p.constant(9, 300);
  const outer = p.pc;
  p.word(asm.i('addi', 10, 0, 25));
  const inner = p.pc;
  p.word(asm.s('sd', 11, 8, 0));
  p.word(asm.i('ld', 12, 8, 0));
  p.word(asm.r('add', 11, 11, 12));
  p.word(asm.r('xor', 11, 11, 10));
  p.word(asm.i('addi', 10, 10, -1));
  p.word(asm.b('bne', 10, 0, inner - p.pc));
  // The call: a function eight words on, which returns here.
  p.word(asm.u('auipc', 1, 0));
  p.word(asm.i('jalr', 1, 1, 24));
  p.word(asm.i('addi', 9, 9, -1));
  p.word(asm.b('blt', 0, 9, outer - p.pc));
  p.word(asm.none('ecall'));
  p.word(asm.none('ecall'));
  p.word(asm.r('mul', 11, 11, 9));
  p.word(asm.i('srai', 11, 11, 3));
  p.word(asm.i('jalr', 0, 1, 0));
  return p.elf();
}

/** Atomics whose word is in the page of the loop itself, so that each of them changes code. */
function atomicsBesideCode(): Uint8Array {
  const p = new Program();
  p.constant(8, BASE + 0x1800);
  p.constant(9, 40);
  p.constant(11, 3);
  const loop = p.pc;
  p.word(asm.r('amoadd.d', 12, 8, 11));
  p.word(asm.r('add', 13, 13, 12));
  p.word(asm.r('lr.d', 14, 8, 0));
  p.word(asm.r('sc.d', 15, 8, 9));
  p.word(asm.r('add', 16, 16, 15));
  p.word(asm.i('addi', 9, 9, -1));
  p.word(asm.b('bne', 9, 0, loop - p.pc));
  p.word(asm.none('ecall'));
  return p.elf();
}

/** A function that is called in one place, and in another jumped into, where both of its ways lead to one end. */
function callBesideJump(): Uint8Array {
  const p = new Program();
  p.constant(9, 200);
  p.word(asm.u('auipc', 1, 0));
  p.word(asm.i('addi', 1, 1, 16));
  const loop = p.pc;
  p.word(asm.b('bne', 10, 0, 28));
  p.word(asm.j('jal', 1, 28));
  p.word(asm.i('addi', 9, 9, -1));
  p.word(asm.i('xori', 10, 10, 1));
  p.word(asm.i('andi', 11, 9, 2));
  p.word(asm.b('bne', 9, 0, loop - p.pc));
  p.word(asm.none('ecall'));
  p.word(asm.b('beq', 11, 0, 12));
  p.word(asm.i('addi', 12, 12, 1));
  p.word(asm.j('jal', 0, 8));
  p.word(asm.i('addi', 13, 13, 1));
  p.word(asm.i('jalr', 0, 1, 0));
  return p.elf();
}

describe('compiled code', () => {
  it.each(some([1, 7, 1000], 2))('does what the interpreter does in loops and calls, slices up to %i', (most) => {
    const elf = loops();
    expectLockstep(() => loadProgram(elf), { limit: 1e5, hot: 5 }, randomSlices(most));
  });

  it.each([0, 5])('does what the interpreter does where atomics change code and calls meet jumps, hot at %i', (hot) => {
    for (const elf of [atomicsBesideCode(), callBesideJump()]) {
      expectLockstep(() => loadProgram(elf), { limit: 1e5, hot }, randomSlices(50));
    }
  });

  it.each(some([3, 5], 2))('does what the interpreter does on random instructions, seed %i', (seed) => {
    const { elf } = randomProgram(seed * 104729, 300);
    expectLockstep(() => loadProgram(elf), { limit: 1e5, hot: 0 }, randomSlices(40));
  });

  it('does what the interpreter does with random words for code, which traps, jumps and overwrites itself', () => {
    const random = randomSlices(2 ** 24);
    for (let round = 0; round < count(30, 150); round++) {
      const image = new Uint8Array(Int32Array.from({ length: SIZE / 4 }, () => (random() << 8) ^ random()).buffer);
      const registers = Int32Array.from({ length: 64 }, (_, i) => (i % 2 || i < 2 ? 0 : BASE + (random() % SIZE)));
      const make = () => {
        const cpu = loadProgram(image);
        cpu.x.set(registers);
        cpu.pc = BASE + ((registers[10]! % SIZE) & ~1);
        return cpu;
      };
      expectLockstep(make, { limit: 1000, hot: 0 }, randomSlices(9));
    }
  });

  it('is thrown away with the code that it came from, however often that changes', () => {
    const cpu = loadProgram(loops());
    const { code, core, ram } = cpu.hart;
    code.hot = 0;
    const start = cpu.pc;
    cpu.run(1e5);
    const once = core.size;
    expect(once).toBeGreaterThan(0);
    const at = ram.bytes.length - (start - BASE) - 4096 + 24;
    for (let round = 1; round <= ROUNDS; round++) {
      // The immediate of the first addi behind the constants, which nothing else depends on.
      ram.bytes[at + 3]! ^= round % 2 ? 1 : 3;
      cpu.flushCode();
      cpu.pc = start;
      expect(cpu.run(1e7)).toBe(Trap.ecall);
    }
    expect(core.size).toBe(once);
    expect(core.jumpAt(start)).toBeGreaterThanOrEqual(0);
    code.forget(cpu.hart.codePage(Math.floor(start / 4096))!, start);
    expect(core.jumpAt(start)).toBe(-1);
  });

  describe('of C', needs(COMPILER), () => {
    it.each(['integer', 'memory', 'mixed', 'roots'])('does what the interpreter does: %s', (name) => {
      const folder = mkdtempSync(join(tmpdir(), 'dmirror-lockstep-'));
      try {
        const source = fileURLToPath(new URL(`../../guest/bench/${name}.c`, import.meta.url));
        const flags = [
          '-O2',
          '-static',
          '-nostdlib',
          '-ffreestanding',
          '-fno-math-errno',
          '-Wl,--no-relax',
          '-DROUNDS=1',
        ];
        execFileSync(COMPILER, [...flags, '-o', join(folder, 'program'), source], { stdio: 'pipe' });
        const elf = readFileSync(join(folder, 'program'));
        expectLockstep(() => loadElf(elf), { limit: 1e6, hot: 20 }, randomSlices(2000));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});
