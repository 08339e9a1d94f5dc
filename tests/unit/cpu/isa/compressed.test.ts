import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../../driver/cpu/isa/decode.js';
import { disassemble } from '../../../../driver/cpu/isa/disassemble.js';
import { needs } from '../../../needs.js';

const OBJDUMP = 'riscv64-linux-gnu-objdump';
/** What `ours` gives for all of them, after objdump agreed. */
const DIGEST = 'b42273a31ed026e649ceb65b0f6e280fd71b84eab480323e2ba0819fa5e088d6';
/** c.addi16sp of zero is reserved; binutils prints it all the same. */
const RESERVED = 0x6101;

/** Every half word that is an instruction of its own. */
const HALVES = Array.from({ length: 0x10000 }, (_, half) => half).filter((half) => (half & 3) !== 3);

function ours(half: number): string {
  return disassemble(decode(half), 0);
}

/** The lines of binutils' disassembler: mnemonic, operands and address of each half word. */
function theirs(): { name: string; operands: string[]; at: number }[] {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-rvc-'));
  const file = join(folder, 'halves');
  writeFileSync(file, Uint8Array.from(HALVES.flatMap((half) => [half & 0xff, half >>> 8])));
  const args = ['-b', 'binary', '-m', 'riscv:rv64', '-D', '-M', 'no-aliases', file];
  const { stdout } = spawnSync(OBJDUMP, args, { encoding: 'latin1', maxBuffer: 2 ** 26 });
  rmSync(folder, { recursive: true });
  return [...stdout.matchAll(/^ *([\da-f]+):\t[\da-f]{4} +\t(\S+)(?:\t(\S+))?/gm)].map(([, at, name, operands]) => ({
    name: name!.replace(/^c\./, ''),
    operands: operands?.split(',') ?? [],
    at: Number.parseInt(at!, 16),
  }));
}

/** The instruction that a compressed one stands for, as `disassemble` prints it (RISC-V manual, chapter "C"). */
function expanded({ name, operands, at }: { name: string; operands: string[]; at: number }): string {
  const [a, b, c] = operands;
  const target = (text: string | undefined): string => (Number.parseInt(text!, 16) - at).toString(16);
  if (name === '.2byte' || name === 'unimp') return 'illegal';
  if (name === 'ebreak') return name;
  if (name === 'addi16sp') return `addi sp,sp,${b}`;
  if (name === 'addi4spn') return `addi ${a},sp,${c}`;
  if (name === 'li') return `addi ${a},zero,${b}`;
  if (name === 'mv') return `add ${a},zero,${b}`;
  if (name === 'lui') return `lui ${a},${b}`;
  if (name === 'nop') return `addi zero,zero,${a ?? 0}`;
  if (name === 'beqz' || name === 'bnez') return `${name.slice(0, 3)} ${a},zero,${target(b)}`;
  if (name === 'j') return `jal zero,${target(a)}`;
  if (name === 'jr' || name === 'jalr') return `jalr ${name === 'jr' ? 'zero' : 'ra'},0(${a})`;
  if (/^s[lr][la]i64$/.test(name)) return `${name.slice(0, 4)} ${a},${a},0x0`;
  if (/^f?[ls][wd](sp)?$/.test(name)) return `${name.replace('sp', '')} ${a},${b}`;
  return `${name} ${a},${a},${b}`;
}

describe('compressed instructions', () => {
  it('are what the manual says, every one', () => {
    expect(createHash('sha256').update(HALVES.map(ours).join('\n')).digest('hex')).toBe(DIGEST);
  });

  it('are what binutils says, every one', needs(OBJDUMP), () => {
    const lines = theirs();
    expect(lines).toHaveLength(HALVES.length);
    const wrong = HALVES.flatMap((half, i) => {
      const expected = half === RESERVED ? 'illegal' : expanded(lines[i]!);
      return ours(half) === expected ? [] : [`${half.toString(16)}: ${ours(half)}, not ${expected}`];
    });
    expect(wrong.slice(0, 10)).toEqual([]);
  });
});
