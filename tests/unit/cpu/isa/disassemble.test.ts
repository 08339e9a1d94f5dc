import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../../driver/cpu/isa/decode.js';
import { disassemble } from '../../../../driver/cpu/isa/disassemble.js';
import { needs } from '../../../needs.js';
import { randomProgram } from '../random-program.js';

const OBJDUMP = 'riscv64-linux-gnu-objdump';

/** What binutils makes of `words`, one line each, without aliases. */
function objdump(words: readonly number[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-dis-'));
  try {
    const path = join(folder, 'words');
    writeFileSync(path, new Uint8Array(Int32Array.from(words).buffer));
    const args = ['-D', '-b', 'binary', '-m', 'riscv:rv64', '-M', 'no-aliases', path];
    const lines = spawnSync(OBJDUMP, args, { encoding: 'utf8' }).stdout.split('\n');
    return lines.filter((line) => /^ +[0-9a-f]+:/.test(line)).map((line) => line.split('\t').slice(2).join(' ').trim());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Leaves out what only one of the two prints: comments, the fence's operands, the names of frm in full. */
function comparable(line: string): string {
  return line
    .replace(/ +[#<].*$/, '')
    .replace(/^fence .*/, 'fence')
    .replace(/0x([0-9a-f]+)$/, '$1');
}

describe('disassemble', () => {
  it.each([
    [0x00150513, 'addi a0,a0,1'],
    [0xfe0718e3, 'bne a4,zero,ff0'],
    [0x0005b503, 'ld a0,0(a1)'],
    [0x1005272f, 'lr.w a4,(a0)'],
    [0x0ef5272f, 'amoswap.w.aqrl a4,a5,(a0)'],
    [0x02a5f553, 'fadd.d fa0,fa1,fa0'],
    [0xc2051553, 'fcvt.w.d a0,fa0,rtz'],
    [0x00008082, 'jalr zero,0(ra)'],
    [0, 'illegal'],
  ])('prints %i as %s', (word, text) => {
    expect(disassemble(decode(word), 0x1000)).toBe(text);
  });

  it('prints random instructions as objdump does', needs(OBJDUMP), () => {
    const words = randomProgram(4711, 400)
      .cases.map(({ word }) => word)
      .filter((word) => (word & 3) === 3);
    const ours = words.map((word, i) => comparable(disassemble(decode(word), 4 * i)));
    const theirs = objdump(words).map(comparable);
    // binutils takes a conversion that is always exact for illegal unless its rounding mode is 0.
    const differs = (line: string, i: number) => line !== theirs[i] && !theirs[i]!.startsWith('.4byte');
    expect(ours.filter(differs)).toEqual([]);
  });
});
