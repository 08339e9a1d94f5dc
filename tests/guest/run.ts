import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type GuestHost, GuestSystem, type Tier } from '../../driver/guest/index.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import { WEXITSTATUS, WIFEXITED, WTERMSIG } from '../../uapi/signal.js';

/** How a program ended, and what came of it. */
export interface GuestRun {
  /** Standard output and error, in the order of writing. */
  readonly output: string;
  /** Exit status, or 128 and the number of the signal. */
  readonly status: number;
  readonly strace: readonly string[];
  readonly crashes: readonly string[];
  readonly unsupported: readonly string[];
  readonly machine: Machine;
  readonly system: GuestSystem;
  /** Virtual microseconds. */
  readonly ticks: number;
}

export interface GuestRunOptions {
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly input?: string;
  readonly strace?: boolean;
  /** As `dmirror exec --dialect` has it. */
  readonly dialect?: string;
  readonly machine?: Partial<MachineOptions>;
  readonly tier?: Tier;
  /** Where programs ran before; else the program has a machine of its own. */
  readonly on?: GuestSystem;
}

const RAM_BYTES = 256 * 2 ** 20;

export function guestSystem(options: Partial<MachineOptions> = {}): GuestSystem {
  return new GuestSystem(new Machine({ ramBytes: RAM_BYTES, hugePages: 8, scheduler: 'random', ...options }));
}

/** Runs a program until it ends; throws when it hangs. */
export function runGuest(path: string, options: GuestRunOptions = {}): GuestRun {
  const system = options.on ?? guestSystem(options.machine);
  const { machine } = system;
  const written: Uint8Array[] = [];
  const strace: string[] = [];
  const crashes: string[] = [];
  const unsupported: string[] = [];
  let input = Buffer.from(options.input ?? '');
  const host: GuestHost = {
    write: (_fd, bytes) => void written.push(bytes.slice()),
    read(lenBytes) {
      const chunk = input.subarray(0, lenBytes);
      input = input.subarray(chunk.length);
      return chunk;
    },
    isFull: () => false,
    isTerminal: () => false,
    strace: options.strace ? (line) => void strace.push(line) : null,
    crashed: (report) => void crashes.push(report),
    unsupported: (what) => void unsupported.push(what),
    program: () => null,
  };
  system.hart.tier = options.tier ?? 'wasm';
  const name = basename(path);
  const argv = [name, ...(options.args ?? [])];
  const request = { path: `/bin/${name}`, bytes: readFileSync(path), argv, envp: options.env ?? [] };
  const { dialect } = options;
  const process = system.spawn(dialect === undefined ? request : { ...request, dialect }, host);
  const { reason, blocked } = machine.run();
  const output = Buffer.concat(written).toString('latin1');
  if (process.exitStatus === null) throw new Error(`${reason}: ${JSON.stringify(blocked)}\n${output}`);
  machine.checkInvariants();
  const status = WIFEXITED(process.exitStatus) ? WEXITSTATUS(process.exitStatus) : 128 + WTERMSIG(process.exitStatus);
  const ticks = machine.kernel.scheduler.clock.nowTicks;
  return { output, status, strace, crashes, unsupported, machine, system, ticks };
}
