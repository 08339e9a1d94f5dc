import { readFileSync, readSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { ElfError, type GuestHost, type ProgramRequest, parseElf } from '../../driver/guest/index.js';
import { EXIT, inputBytes, OutputError, UsageError } from '../exit-code.js';
import { ProgramInput } from './exec-input.js';
import { TapWatch } from './tap-watch.js';

const READ_BYTES = 65536;

/** This Node process as a program sees it. */
export class NodeHost implements GuestHost {
  readonly strace: ((line: string) => void) | null;
  private readonly refused = new Map<string, number>();
  readonly input = new ProgramInput();
  private readonly tap = new TapWatch();

  constructor(strace: boolean) {
    this.strace = strace ? errLine : null;
  }

  write(fd: 1 | 2, bytes: Uint8Array): void {
    if (fd === 1) this.tap.look(bytes);
    writeAll(fd, bytes);
  }

  read(lenBytes: number, wake: () => void): Uint8Array | null {
    return this.input.read(Math.min(lenBytes, READ_BYTES), wake);
  }

  isFull(): boolean {
    return false;
  }

  isTerminal(fd: number): boolean {
    return [process.stdin, process.stdout, process.stderr][fd]?.isTTY ?? false;
  }

  crashed(report: string): void {
    this.say(report);
  }

  /** A line of ours. */
  say(line: string): void {
    errLine(line);
  }

  unsupported(what: string): void {
    this.refused.set(what, (this.refused.get(what) ?? 0) + 1);
  }

  program(path: string): Uint8Array | null {
    try {
      return readFileSync(path);
    } catch {
      return null;
    }
  }

  /** The exit status of the program, or that of a skip when it is a selftest that says "all is well" of no test. */
  statusOf(status: number): number {
    if (status !== 0 || !this.tap.ranNothing) return status;
    this.say('dmirror exec: the selftest ended with 0 and ran no test: it counts as skipped');
    return EXIT.skip;
  }

  /** What the program asked for and did not get, so that a failure of it is understood. */
  reportRefused(): void {
    if (this.refused.size === 0) return;
    const list = [...this.refused].map(([what, times]) => `${what}${times > 1 ? ` (${times} times)` : ''}`);
    this.say(`dmirror exec: asked for in vain: ${list.join(', ')}`);
  }
}

/** The program as it is to be started, in the environment `base` with what `env` says; throws UsageError when it can't. */
export function readProgram(
  binary: string,
  { args, env }: { readonly args: readonly string[]; readonly env: readonly string[] },
  base: NodeJS.ProcessEnv = process.env,
): ProgramRequest {
  const hint = 'it must be a static RV64 Linux program: riscv64-linux-gnu-gcc -static -O2';
  const bytes = inputBytes(binary, hint);
  try {
    parseElf(bytes);
    return { path: resolve(binary), bytes, argv: [binary, ...args], envp: environment(env, base) };
  } catch (error) {
    if (error instanceof ElfError) throw new UsageError(`'${binary}' can't run: ${error.message}`, hint);
    throw error;
  }
}

/** The environment but for what is named; sorted, so that the same one is the same for the program. */
function environment(own: readonly string[], base: NodeJS.ProcessEnv): string[] {
  const all = new Map(Object.entries(base));
  for (const entry of own) {
    const at = entry.indexOf('=');
    if (at <= 0) throw new UsageError(`'${entry}' is no NAME=value`, 'as in --env LANG=C');
    all.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...all].map(([name, value]) => `${name}=${value}`).sort();
}

/** Everything at once, also to a pipe that is full. */
export function writeAll(fd: 1 | 2, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(EXIT.pipe);
      if (code !== 'EAGAIN') throw new OutputError(fd === 1 ? 'stdout' : 'stderr', error);
    }
  }
}

/** At most `lenBytes` of standard input; none at its end. */
export function readInput(lenBytes: number): Uint8Array {
  const buffer = new Uint8Array(Math.min(lenBytes, READ_BYTES));
  for (;;) {
    try {
      return buffer.subarray(0, readSync(0, buffer));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return buffer.subarray(0, 0);
      if (code !== 'EAGAIN') throw error;
    }
  }
}

export function errLine(line: string): void {
  writeAll(2, new TextEncoder().encode(`${line}\n`));
}
