import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestSyscalls } from '../../../../driver/guest/index.js';
import { needs } from '../../../needs.js';

/** Debian's headers of riscv64 (linux-libc-dev-riscv64-cross), or those that all new architectures share (linux-libc-dev). */
const HEADERS = [
  ['/usr/riscv64-linux-gnu/include/asm-generic/unistd.h', '/usr/riscv64-linux-gnu/include/asm/unistd.h'],
  ['/usr/include/asm-generic/unistd.h'],
].find((files) => files.every((file) => existsSync(file)));

/** The number of each __NR_ macro, through those that name another one. */
function numbersOf(files: readonly string[]): Map<string, number> {
  const macros = new Map<string, string>();
  for (const file of files) {
    for (const [, name, value] of readFileSync(file, 'utf8').matchAll(/^#\s*define\s+__(NR\w+)\s+(.+)$/gm))
      macros.set(name!, value!.trim());
  }
  const resolve = (value: string): number => {
    const [, other, plus = '0'] = /^\(?__(NR\w+)(?: \+ (\d+))?\)?$/.exec(value) ?? [];
    return other === undefined ? Number.parseInt(value, 10) : resolve(macros.get(other) ?? '') + Number(plus);
  };
  const numbers = new Map<string, number>();
  for (const [name, value] of macros) if (name.startsWith('NR_')) numbers.set(name.slice(3), resolve(value));
  return numbers;
}

it('has each call under its number in Linux', needs('linux-libc-dev', HEADERS !== undefined), () => {
  const numbers = numbersOf(HEADERS!);
  const taken = new Set(numbers.values());
  // A number that these headers have no name for is of a later kernel.
  const entries = Object.entries(guestSyscalls).filter(([number]) => taken.has(Number(number)));
  expect(entries.length).toBeGreaterThan(100);
  const ours = entries.map(([number, { name }]) => `${name} ${number}`);
  expect(ours).toEqual(entries.map(([, { name }]) => `${name} ${numbers.get(name)}`));
});
