import { describe, expect, it } from 'vitest';
import { Cpu } from '../../../driver/cpu/cpu.js';
import { Access } from '../../../driver/cpu/cpu-memory.js';
import { Trap } from '../../../driver/cpu/isa/trap.js';
import { asm, BASE, Program } from './assembler.js';
import { FlatMemory, loadProgram, segmentBytes } from './flat-memory.js';

const DATA = 0x50000;

/** A thread with `words` as its program, x8 at the data. */
function threadOf(words: readonly number[], memory = new FlatMemory()): Cpu {
  const p = new Program();
  for (const word of words) p.word(word);
  const cpu = loadProgram(p.elf(), memory);
  cpu.set(8, BASE + DATA);
  return cpu;
}

const forBoth = describe.each([
  ['interpreted', true],
  ['compiled', false],
]);

forBoth('%s', (_, interprets) => {
  function thread(words: readonly number[], memory?: FlatMemory): Cpu {
    const cpu = threadOf(words, memory);
    cpu.hart.tier = interprets ? 'interp' : 'wasm';
    cpu.hart.code.hot = 0;
    return cpu;
  }

  it('loads and stores across a page border, whose frames are not neighbours', () => {
    const cpu = thread([asm.s('sd', 5, 8, -3), asm.i('ld', 6, 8, -3), asm.i('lw', 7, 8, -1), asm.none('ecall')]);
    cpu.x[10] = 0x44332211;
    cpu.x[11] = 0x88776655 | 0;
    expect(cpu.run(10)).toBe(Trap.ecall);
    expect(Array.from(segmentBytes(cpu, DATA - 3, 8))).toEqual([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    expect([cpu.x[12], cpu.x[13]]).toEqual([0x44332211, 0x88776655 | 0]);
    expect(cpu.x[14]).toBe(0x66554433);
  });

  it('reports the first byte out of reach of an access that begins in a mapped page, and changes nothing', () => {
    const memory = new FlatMemory();
    memory.denied.add(`${(BASE + DATA) / 4096} ${Access.store}`);
    const cpu = thread([asm.s('sd', 5, 8, -3), asm.none('ecall')], memory);
    cpu.set(5, 0x1234567);
    expect(cpu.run(10)).toBe(Trap.storeFault);
    expect(cpu).toMatchObject({ trapAddr: BASE + DATA, pc: BASE + 0x1000, instret: 0 });
    expect(Array.from(segmentBytes(cpu, DATA - 3, 3))).toEqual([0, 0, 0]);
  });

  it('stops at the instruction that faults, with those before it done, and goes on from there', () => {
    const memory = new FlatMemory();
    const key = `${(BASE + DATA) / 4096} ${Access.load}`;
    memory.denied.add(key);
    const words = [asm.i('addi', 5, 0, 1), asm.i('lw', 6, 8, 0), asm.i('addi', 5, 5, 1), asm.none('ecall')];
    const cpu = thread(words, memory);
    expect(cpu.run(10)).toBe(Trap.loadFault);
    expect(cpu).toMatchObject({ pc: BASE + 0x1004, instret: 1, trapAddr: BASE + DATA });
    expect(cpu.x[10]).toBe(1);
    memory.denied.delete(key);
    expect(cpu.run(10)).toBe(Trap.ecall);
    expect(cpu).toMatchObject({ pc: BASE + 0x100c, instret: 3 });
    expect(cpu.x[10]).toBe(2);
  });

  it('keeps a translation until it is shot down, and not a moment longer', () => {
    const memory = new FlatMemory();
    const cpu = thread([asm.i('lw', 6, 8, 0), asm.i('lw', 7, 8, 4), asm.none('ecall')], memory);
    expect(cpu.run(1)).toBe(Trap.budget);
    memory.denied.add(`${(BASE + DATA) / 4096} ${Access.load}`);
    expect(cpu.run(1)).toBe(Trap.budget);
    cpu.pc = BASE + 0x1000;
    memory.tlb!.drop((BASE + DATA) / 4096 + 1, 3);
    expect(cpu.run(2)).toBe(Trap.budget);
    cpu.pc = BASE + 0x1000;
    memory.tlb!.drop((BASE + DATA) / 4096, 1);
    expect(cpu.run(1)).toBe(Trap.loadFault);
  });

  it('fetches from a page until it is shot down', () => {
    const memory = new FlatMemory();
    const cpu = thread([asm.i('addi', 5, 5, 1), asm.i('jalr', 0, 8, 0)], memory);
    cpu.set(8, BASE + 0x1000);
    expect(cpu.run(1000)).toBe(Trap.budget);
    memory.denied.add(`${(BASE + 0x1000) / 4096} ${Access.fetch}`);
    expect(cpu.run(1000)).toBe(Trap.budget);
    memory.tlb!.drop((BASE + 0x1000) / 4096, 1);
    expect(cpu.run(1000)).toBe(Trap.fetchFault);
    expect(cpu).toMatchObject({ pc: BASE + 0x1000, instret: 2000 });
  });

  it('does not take the right to load for the right to store', () => {
    const memory = new FlatMemory();
    memory.denied.add(`${(BASE + DATA) / 4096} ${Access.store}`);
    const cpu = thread([asm.i('lw', 6, 8, 0), asm.s('sw', 6, 8, 0), asm.none('ecall')], memory);
    expect(cpu.run(10)).toBe(Trap.storeFault);
    expect(cpu.pc).toBe(BASE + 0x1004);
  });

  it('faults on addresses beyond the user half', () => {
    for (const hi of [-1, 0x8000, 0x7fffffff]) {
      const cpu = thread([asm.i('lb', 6, 5, 0), asm.none('ecall')]);
      cpu.x[11] = hi;
      expect(cpu.run(10)).toBe(Trap.loadFault);
    }
  });

  it('faults where it can not fetch, with the pc there', () => {
    const cpu = thread([asm.i('jalr', 0, 5, 0)]);
    cpu.set(5, 0x123000);
    expect(cpu.run(10)).toBe(Trap.fetchFault);
    expect(cpu).toMatchObject({ pc: 0x123000, trapAddr: 0x123000, instret: 1 });
  });

  it.each([
    ['ecall', asm.none('ecall'), Trap.ecall],
    ['ebreak', asm.none('ebreak'), Trap.ebreak],
    ['an unknown word', 0, Trap.illegal],
    ['a CSR that user mode has not', asm.i('csrrs', 5, 0, 0x300), Trap.illegal],
    ['a rounding mode that is none', asm.r('fadd.d', 1, 1, 1) | (5 << 12), Trap.illegal],
  ])('traps at %s and leaves the pc there', (_name, word, trap) => {
    const cpu = thread([asm.i('addi', 5, 0, 1), word]);
    expect(cpu.run(10)).toBe(trap);
    expect(cpu).toMatchObject({ pc: BASE + 0x1004, instret: 1 });
  });

  it('runs what a store has just written over the next instruction', () => {
    const patched = asm.i('addi', 6, 0, 7);
    const words = [asm.s('sw', 5, 9, 0), asm.i('addi', 7, 7, 1), asm.i('addi', 6, 0, 1), asm.none('ecall')];
    const cpu = thread(words);
    cpu.set(5, patched);
    cpu.set(9, BASE + 0x1008);
    expect(cpu.run(10)).toBe(Trap.ecall);
    expect(cpu.x[12]).toBe(7);
    expect(cpu.instret).toBe(3);
  });

  it('never retires more than it was asked for', () => {
    const cpu = thread([asm.i('addi', 5, 5, 1), asm.i('addi', 5, 5, 1), asm.b('beq', 0, 0, -8)]);
    for (let n = 1; n <= 50; n++) {
      expect(cpu.run(n)).toBe(Trap.budget);
      expect(cpu.instret).toBe((n * (n + 1)) / 2);
    }
  });
});

describe('LR and SC', () => {
  const lr = asm.r('lr.d', 5, 8, 0);
  const sc = asm.r('sc.d', 6, 8, 7);
  const end = asm.none('ecall');

  /** Two threads of one address space on one hart. */
  function pair(words: readonly number[]): [Cpu, Cpu] {
    const one = threadOf(words);
    const two = new Cpu(one.hart, one.memory);
    two.copyFrom(one);
    return [one, two];
  }

  it('pass when nobody comes between', () => {
    const cpu = threadOf([lr, sc, end]);
    cpu.set(7, 99);
    expect(cpu.run(10)).toBe(Trap.ecall);
    expect(cpu.x[12]).toBe(0);
    expect(segmentBytes(cpu, DATA, 1)[0]).toBe(99);
  });

  it('pass across the end of a slice when no other thread ran', () => {
    const cpu = threadOf([lr, sc, end]);
    cpu.run(1);
    cpu.run(1);
    expect(cpu.x[12]).toBe(0);
  });

  it('fail when another thread ran in between, and the memory stays', () => {
    const [one, two] = pair([lr, sc, end]);
    one.set(7, 99);
    one.run(1);
    two.run(1);
    one.run(1);
    expect(one.x[12]).toBe(1);
    expect(segmentBytes(one, DATA, 1)[0]).toBe(0);
  });

  it('fail when the kernel wrote there in between', () => {
    const cpu = threadOf([lr, sc, end]);
    cpu.run(1);
    const at = cpu.hart.reserved;
    cpu.hart.bytes[at] = 1;
    cpu.run(1);
    expect(cpu.x[12]).toBe(1);
  });

  it('fail without a reservation, and at another address', () => {
    const cpu = threadOf([sc, lr, asm.i('addi', 8, 8, 8), sc, end]);
    expect(cpu.run(1)).toBe(Trap.budget);
    expect(cpu.x[12]).toBe(1);
    cpu.set(6, 0);
    cpu.run(10);
    expect(cpu.x[12]).toBe(1);
  });

  it('ask for the right to store even to fail', () => {
    const memory = new FlatMemory();
    memory.denied.add(`${(BASE + DATA) / 4096} ${Access.store}`);
    expect(threadOf([sc, end], memory).run(10)).toBe(Trap.storeFault);
    expect(threadOf([asm.r('amoadd.w', 5, 8, 6), end], memory).run(10)).toBe(Trap.storeFault);
  });
});
