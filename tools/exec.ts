import { appendFileSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { ElfError, type GuestHost, GuestSystem, guestSyscalls, hangReport } from '../driver/cpu/index.js';
import { Machine } from '../driver/sys/machine.js';
import type { MigrationPath } from '../driver/sys/machine-options.js';
import type { Process } from '../driver/sys/process.js';
import { sendSignal } from '../driver/sys/signal.js';
import { dialectByName, dialectIds } from '../uapi/dialect.js';
import { SIGINT, SIGTERM, WEXITSTATUS, WIFEXITED, WTERMSIG } from '../uapi/signal.js';
import { UsageError } from './exit-code.js';

export interface ExecOptions {
  readonly dialect: string;
  readonly path: MigrationPath;
  readonly seed: number;
  readonly ram: number;
  readonly hugepages: number;
  readonly swap: number;
  /** Every event of the machine, one JSON object a line. */
  readonly trace: string | undefined;
  readonly strace: boolean;
  /** Seconds of wall time; undefined: no end. */
  readonly timeout: number | undefined;
  readonly env: readonly string[];
}

/** Steps of the machine between two looks at the world outside. */
const TURN_STEPS = 2000;
/** As timeout(1) has it. */
const EXIT_TIMEOUT = 124;
const EXIT_HUNG = 125;
const EXIT_SIGNAL = 128;

/** `dmirror exec`: runs a static RV64 Linux program and returns its exit status. */
export async function exec(binary: string, args: readonly string[], options: ExecOptions): Promise<number> {
  const dialect = dialectByName(options.dialect)?.id;
  if (dialect === undefined) {
    throw new UsageError(`there is no dialect '${options.dialect}'`, `they are: ${dialectIds().join(', ')}`);
  }
  const machine = new Machine({
    seed: options.seed,
    path: options.path,
    ramBytes: options.ram,
    swapBytes: options.swap,
    hugePages: options.hugepages,
    dialect,
    scheduler: 'random',
    stepLimit: TURN_STEPS,
  });
  machine.kernel.scheduler.isPreemptive = true;
  const endTrace = startTrace(machine, options.trace);
  const system = new GuestSystem(machine, nodeHost(options.strace));
  const process = spawn(system, { binary, args, env: options.env });
  const stop = endOnSignals(process);
  try {
    return await runToEnd(system, process, options.timeout);
  } finally {
    stop();
    endTrace();
    reportUnknown(system);
  }
}

function spawn(
  system: GuestSystem,
  { binary, args, env }: { binary: string; args: readonly string[]; env: readonly string[] },
): Process {
  try {
    const request = { path: resolve(binary), bytes: readFileSync(binary), argv: [binary, ...args] };
    return system.spawn({ ...request, envp: environment(env) });
  } catch (error) {
    const hint = 'it must be a static RV64 Linux program: riscv64-linux-gnu-gcc -static -O2';
    if (error instanceof ElfError) throw new UsageError(`'${binary}' can't run: ${error.message}`, hint);
    if (error instanceof Error && 'code' in error)
      throw new UsageError(`'${binary}' can't be read: ${error.code}`, hint);
    throw error;
  }
}

/** The environment as it is, but for what is named; sorted, so that the same one is the same for the program. */
function environment(own: readonly string[]): string[] {
  const all = new Map(Object.entries(process.env));
  for (const entry of own) {
    const at = entry.indexOf('=');
    if (at <= 0) throw new UsageError(`'${entry}' is no NAME=value`, 'as in --env LANG=C');
    all.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...all].map(([name, value]) => `${name}=${value}`).sort();
}

async function runToEnd(system: GuestSystem, process: Process, timeout: number | undefined): Promise<number> {
  const deadline = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
  while (process.state === 'running') {
    const { reason, blocked } = system.machine.run();
    if (process.state !== 'running') break;
    if (reason !== 'step-limit') {
      const waiting = blocked.map(
        ({ task, waitsFor, ownedBy }) => `${task}: ${waitsFor}${ownedBy ? ` of ${ownedBy}` : ''}`,
      );
      return gaveUp(system, `the program hangs: nothing can run any more\n${waiting.join('\n')}`, EXIT_HUNG);
    }
    if (performance.now() > deadline) return gaveUp(system, `no end after ${timeout} s`, EXIT_TIMEOUT);
    await new Promise((done) => setImmediate(done));
  }
  const status = process.exitStatus ?? 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

function gaveUp(system: GuestSystem, why: string, status: number): number {
  errLine(`dmirror exec: ${why}`);
  errLine(hangReport(system));
  return status;
}

/** The program gets the signals that we get; a second one ends us too. */
function endOnSignals(guest: Process): () => void {
  let count = 0;
  const forward = (signo: number) => () => {
    if (count++ > 0) process.exit(EXIT_SIGNAL + signo);
    sendSignal(guest, signo);
  };
  const onInt = forward(SIGINT);
  const onTerm = forward(SIGTERM);
  process.on('SIGINT', onInt).on('SIGTERM', onTerm);
  return () => {
    process.off('SIGINT', onInt).off('SIGTERM', onTerm);
  };
}

function nodeHost(strace: boolean): GuestHost {
  return {
    write: writeAll,
    read: readSome,
    isTerminal: (fd) => [process.stdin, process.stdout, process.stderr][fd]?.isTTY ?? false,
    strace: strace ? errLine : null,
    crashed: errLine,
    program(path) {
      try {
        return readFileSync(path);
      } catch {
        return null;
      }
    },
  };
}

function writeAll(fd: 1 | 2, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(141);
      if (code !== 'EAGAIN') throw error;
    }
  }
}

function readSome(lenBytes: number): Uint8Array {
  const buffer = new Uint8Array(Math.min(lenBytes, 65536));
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

function errLine(line: string): void {
  writeAll(2, new TextEncoder().encode(`${line}\n`));
}

function startTrace(machine: Machine, file: string | undefined): () => void {
  if (file === undefined) return () => {};
  const lines: string[] = [];
  const flush = (): void => appendFileSync(file, lines.splice(0).join(''));
  writeFileSync(file, '');
  machine.trace.listen((event) => {
    lines.push(`${JSON.stringify(event)}\n`);
    if (lines.length >= 10_000) flush();
  });
  return () => {
    machine.trace.listen(null);
    flush();
  };
}

/** What the program asked for and did not get, so that a failure of it is understood. */
function reportUnknown({ unknownCalls }: GuestSystem): void {
  if (unknownCalls.size === 0) return;
  const list = [...unknownCalls].map(([number, count]) => `${number}${count > 1 ? ` (${count} times)` : ''}`);
  errLine(`dmirror exec: system calls answered with ENOSYS: ${list.join(', ')}`);
}

/** `dmirror exec --syscalls`: the table of system calls. */
export function listSyscalls(out: (line: string) => void): void {
  for (const [number, { name, note }] of Object.entries(guestSyscalls)) {
    out(`${number.padStart(4)}  ${name.padEnd(20)} ${note}`);
  }
}
