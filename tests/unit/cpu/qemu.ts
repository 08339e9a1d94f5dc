import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled } from '../../needs.js';

/** Debian's emulator, which the results of the emulated CPU are compared with. */
export const hasQemu = isInstalled('qemu-riscv64');

/** What the program writes to standard output under qemu-riscv64. */
export function runInQemu(elf: Uint8Array): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-cpu-'));
  try {
    const path = join(folder, 'program');
    writeFileSync(path, elf);
    chmodSync(path, 0o755);
    const { stdout, status, signal } = spawnSync('qemu-riscv64', [path], { maxBuffer: 1 << 24 });
    if (status !== 0) throw new Error(`qemu-riscv64 ended with ${status ?? signal}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
