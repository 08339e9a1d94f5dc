import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EXTENSIONS } from '../../../driver/cpu/isa/decode.js';
import type { Definition } from '../../../driver/cpu/isa/instruction.js';
import { Trap } from '../../../driver/cpu/isa/trap.js';
import { count } from '../../counts.js';
import { loadProgram, segmentBytes } from './flat-memory.js';
import { hasQemu, runInQemu } from './qemu.js';
import { type RandomProgram, randomProgram } from './random-program.js';
import { STORED } from './stored-results.js';

const PROGRAMS = count(1, 3);
const CASES = 400;

function runHere({ elf, out }: RandomProgram, compiled: boolean): Uint8Array {
  const cpu = loadProgram(elf);
  cpu.hart.tier = compiled ? 'wasm' : 'interp';
  cpu.hart.code.hot = 0;
  const trap = cpu.run(1e6);
  expect({ trap, pc: cpu.pc.toString(16) }).toMatchObject({ trap: Trap.ecall });
  return segmentBytes(cpu, out.offset, out.length);
}

/** The first cases whose dumps differ, as text. */
function differences({ cases, out }: RandomProgram, ours: Uint8Array, theirs: Uint8Array): string[] {
  const found: string[] = [];
  for (let n = 0; n < cases.length && found.length < 12; n++) {
    const [a, b] = [ours, theirs].map((bytes) => dwords(bytes.subarray(n * out.row, (n + 1) * out.row)));
    const { name, word } = cases[n]!;
    if (a !== b) found.push(`case ${n} ${name} ${(word >>> 0).toString(16)}\n  here ${a}\n  qemu ${b}`);
  }
  return found;
}

function dwords(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigUint64(8 * i, true).toString(16)).join(' ');
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

describe.each(Object.entries(EXTENSIONS))('random programs of %s', (name, definitions) => {
  const only = (d: Definition) => (definitions as readonly Definition[]).includes(d);

  it.each(Array.from({ length: PROGRAMS }, (_, i) => i + 1))('give what qemu gives, seed %i', (seed) => {
    const program = randomProgram(seed * 7919, CASES, only);
    const ours = runHere(program, false);
    expect(differences(program, runHere(program, true), ours)).toEqual([]);
    if (hasQemu) expect(differences(program, ours, runInQemu(program.elf))).toEqual([]);
    const stored = STORED[name]?.[seed - 1];
    if (stored !== undefined) expect(digest(ours)).toBe(stored);
  });
});
