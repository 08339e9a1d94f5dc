import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../driver/core/prng.js';
import { Recorder, type Recording } from '../../driver/recording/index.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { DeviceProcess } from './device-process.js';
import { COMPILER, compile, isInstalled, runHere } from './guest.js';
import type { Measurement, Row } from './measurement.js';

const MIB = 2 ** 20;
const LARGE_BYTES = 1024 * MIB;
const STEPS = 100_000;
const LOOKS = 101;
const MAX_BYTES = 2 ** 31;

/** Any step of a long recording, with all that a view of the machine has. */
export const travel: Measurement = {
  name: 'travel',
  about: `a machine as it was after any step of a recording, with its view: median and worst of ${LOOKS}`,
  run() {
    const rows = [...measured('many short calls', shortCalls), ...measured('one migration of 1 GiB', largeMigration)];
    return isInstalled(COMPILER) ? [...rows, ...measured('a guest program', guestProgram)] : rows;
  },
};

function measured(name: string, run: () => Recording): Row[] {
  const begin = performance.now();
  const recording = run();
  const made = performance.now() - begin;
  const prng = new Prng(1);
  const times = Array.from({ length: LOOKS }, () => {
    const step = prng.below(recording.steps + 1);
    const from = performance.now();
    recording.at(step).view();
    return performance.now() - from;
  }).sort((a, b) => a - b);
  return [
    { name: `${name}, median`, value: times[LOOKS >>> 1]!, unit: 'ms', goal: '<= 100' },
    { name: `${name}, worst`, value: times.at(-1)!, unit: 'ms', goal: '<= 500' },
    { name: `${name}, steps`, value: recording.steps, unit: '' },
    { name: `${name}, to run and write down`, value: made / 1000, unit: 's' },
    { name: `${name}, kept`, value: recording.sizeBytes / MIB, unit: 'MiB' },
  ];
}

function shortCalls(): Recording {
  const process = new DeviceProcess({ ramBytes: 64 * MIB });
  const sizeBytes = 16 * 4096;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  const recorder = new Recorder(process.machine);
  while (recorder.history.steps < STEPS) process.roundTrip(at);
  return recorder.end();
}

function largeMigration(): Recording {
  const process = new DeviceProcess({ ramBytes: 3.25 * LARGE_BYTES, coherent: false });
  const at = { addr: process.buffer(LARGE_BYTES), ptr: process.buffer(LARGE_BYTES), sizeBytes: LARGE_BYTES };
  const recorder = new Recorder(process.machine, { maxBytes: MAX_BYTES, maxPaths: 0 });
  process.command('MIGRATE_TO_DEV', at);
  return recorder.end();
}

function guestProgram(): Recording {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
  try {
    const machine = new Machine({ ramBytes: 64 * MIB, scheduler: 'random' });
    // Slices of few instructions, as for who looks for schedules that fail.
    machine.kernel.scheduler.wantsFine = true;
    const recorder = new Recorder(machine);
    runHere(compile(folder, 'fill', ['-DMIGRATE=1', '-DMIB=24UL']), machine);
    return recorder.end();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
