import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GuestHost, GuestSystem } from '../../driver/guest/index.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import { type Measurement, median, medianPairMs, type Row } from './measurement.js';

export const COMPILER = 'riscv64-linux-gnu-gcc';
const QEMU = 'qemu-riscv64';
const FLAGS = ['-O2', '-static', '-nostdlib', '-ffreestanding', '-fno-math-errno', '-Wl,--no-relax'];
export const PROGRAMS = ['integer', 'memory', 'mixed', 'roots'];
/** Long enough that starting the program, here and there, is a small part of it. */
const WORK_ROUNDS = 300;
const ROUNDS = 3;
/** Runs of the short program, whose difference is small against the noise. */
const FILL_ROUNDS = 31;
const OPTIONS = { ramBytes: 64 * 2 ** 20, scheduler: 'random' } as const;

/** How fast the CPU is, and what the rest of the machine costs beside it. */
export const guest: Measurement = {
  name: 'guest',
  about: `RV64 programs on the emulated CPU and under ${QEMU} (needs that and ${COMPILER})`,
  run() {
    if (!isInstalled(COMPILER) || !isInstalled(QEMU)) return [];
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
    try {
      const ratios: number[] = [];
      const rows = PROGRAMS.flatMap((name) => {
        const measured = measureProgram(compile(folder, name, [`-DROUNDS=${WORK_ROUNDS}`]), name);
        ratios.push(measured.ratio);
        return measured.rows;
      });
      rows.push({ name: `times ${QEMU}, median`, value: median(ratios), unit: '', goal: '<= 2' });
      return [...rows, ...measureIoctl(folder)];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** The sources lie beside this file, but for the built package, where they are where they were. */
function sourceOf(name: string): string {
  const places = ['../guest/bench/', '../../../tests/guest/bench/'];
  const paths = places.map((place) => fileURLToPath(new URL(`${place}${name}.c`, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0]!;
}

export function compile(folder: string, name: string, defines: readonly string[]): string {
  const out = join(folder, `${name}${defines.join('')}`);
  execFileSync(COMPILER, [...FLAGS, ...defines, '-o', out, sourceOf(name)], { stdio: 'pipe' });
  return out;
}

function measureProgram(path: string, name: string): { rows: Row[]; ratio: number } {
  let here = { output: '', instructions: 0 };
  let there = '';
  const { a, b } = medianPairMs(ROUNDS, {
    a: () => {
      here = runHere(path);
    },
    b: () => {
      there = execFileSync(QEMU, [path], { encoding: 'latin1' });
    },
  });
  if (here.output !== there) throw new Error(`${name} answers ${here.output} here and ${there} under ${QEMU}`);
  const ratio = a / b;
  const rows = [
    { name: `${name}, million instructions a second`, value: here.instructions / a / 1e3, unit: '' },
    { name: `${name}, times ${QEMU}`, value: ratio, unit: '', goal: '<= 3' },
  ];
  return { rows, ratio };
}

/**
 * A run that fills 4 MiB and moves them, and what of it MIGRATE_TO_DEV is: what it takes longer than without. Its machine is from a
 * pool, as with all that runs many programs; how much more a machine costs of which every page is new to the host is told beside.
 */
function measureIoctl(folder: string): Row[] {
  const [without, withIt] = [0, 1].map((migrate) => compile(folder, 'fill', [`-DMIGRATE=${migrate}`]));
  const pool = new MachinePool();
  const { a, b } = medianPairMs(FILL_ROUNDS, { a: () => runPooled(without!, pool), b: () => runPooled(withIt!, pool) });
  const { a: onNew } = medianPairMs(FILL_ROUNDS, { a: () => runHere(withIt!), b: () => undefined });
  return [
    { name: 'filling 4 MiB and MIGRATE_TO_DEV', value: b, unit: 'ms' },
    { name: 'MIGRATE_TO_DEV of these 4 MiB', value: Math.max(0, b - a), unit: 'ms' },
    { name: 'filling 4 MiB and MIGRATE_TO_DEV, new machine', value: onNew, unit: 'ms' },
  ];
}

function runPooled(path: string, pool: MachinePool): void {
  const machine = pool.take(OPTIONS);
  runHere(path, machine);
  pool.give(machine);
}

export function runHere(path: string, machine = new Machine(OPTIONS)): { output: string; instructions: number } {
  let output = '';
  const host: GuestHost = {
    write: (_fd, bytes) => {
      output += Buffer.from(bytes).toString('latin1');
    },
    read: () => new Uint8Array(0),
    isFull: () => false,
    isTerminal: () => false,
    strace: null,
    crashed: (report) => {
      throw new Error(report);
    },
    unsupported: (what) => {
      throw new Error(`the machine lacks ${what}`);
    },
    program: () => null,
  };
  const system = new GuestSystem(machine);
  const process = system.spawn({ path: '/bin/bench', bytes: readFileSync(path), argv: ['bench'], envp: [] }, host);
  const [main] = system.threads;
  while (process.exitStatus === null) {
    const { reason, blocked } = machine.run();
    if (reason === 'deadlock') throw new Error(JSON.stringify(blocked));
  }
  return { output, instructions: main!.cpu.instret };
}
