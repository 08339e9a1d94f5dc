import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Debian's cross compiler: gcc-riscv64-linux-gnu, with libc6-dev-riscv64-cross. */
export const COMPILER = 'riscv64-linux-gnu-gcc';
/** Debian's user-mode emulator: qemu-user. */
export const QEMU = 'qemu-riscv64';
const SOURCES = fileURLToPath(new URL('.', import.meta.url));

/** Names of the programs in this folder. */
export function guestPrograms(): string[] {
  return readdirSync(SOURCES)
    .filter((name) => name.endsWith('.c'))
    .map((name) => name.slice(0, -2))
    .sort();
}

/** Compiles programs into a folder of their own. */
export class GuestBuild {
  private readonly folder = mkdtempSync(join(tmpdir(), 'dmirror-guest-'));

  /** The path of the static program that comes of `name`.c. */
  compile(name: string, flags: readonly string[] = ['-static'], as = name.replace('/', '-')): string {
    const out = join(this.folder, as);
    const source = join(SOURCES, `${name}.c`);
    const all = ['-std=gnu17', '-O2', '-Wall', '-Wno-array-bounds', ...flags, '-o', out, source, '-lm', '-lpthread'];
    execFileSync(COMPILER, all, { stdio: 'pipe' });
    return out;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What Debian's emulator makes of a program. */
export function runInQemu(program: string, env: Record<string, string>): { output: string; status: number | null } {
  const { stdout, status } = spawnSync(QEMU, [program], { env, encoding: 'latin1', timeout: 60_000 });
  return { output: stdout, status };
}
