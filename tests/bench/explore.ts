import { Director } from '../../driver/explore/director.js';
import { DporStrategy } from '../../driver/explore/dpor-strategy.js';
import { Explorer, explored } from '../../driver/explore/explorer.js';
import type { Race } from '../../driver/explore/race.js';
import { MachineSubject } from '../../driver/explore/subject.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { MADV_DONTNEED } from '../../uapi/mman.js';
import type { CallArg } from '../../uapi/system-call.js';
import { DeviceProcess } from './device-process.js';
import type { Measurement, Row } from './measurement.js';
import { switchNs } from './task-switch.js';

const MIB = 1024 * 1024;
const PAGE_SIZE = 4096;
/** Many short ones: the least is one in which nobody else had the processor. */
const ROUNDS = 100;
/** Schedules of a round at least. */
const SCHEDULES = 40;

type Place = { addr: number; ptr: number; sizeBytes: number };
type SystemCall = [string, ...CallArg[]];

/** Two threads with one call each on the same pages, and the goals with every check and without. */
const RACES: readonly {
  name: string;
  pages: number;
  goals: readonly string[];
  calls(process: DeviceProcess, at: Place): SystemCall[];
}[] = [
  {
    name: 'store and store',
    pages: 1,
    goals: ['<= 1100', '<= 450'],
    calls(process, { addr, sizeBytes }) {
      process.machine.call(process.thread, 'madvise', addr, sizeBytes, MADV_DONTNEED);
      return [1, 2].map((value) => ['store', addr, Uint8Array.of(value, 0, 0, 0)]);
    },
  },
  {
    name: 'MIGRATE_TO_DEV and munmap',
    pages: 4,
    goals: ['< 9000', '< 4500'],
    calls(process, at) {
      process.roundTrip(at);
      return [process.commandCall('MIGRATE_TO_DEV', at), ['munmap', at.addr, at.sizeBytes]];
    },
  },
];

/** One schedule of an exploration, with going back to the state before it. */
export const exploring: Measurement = {
  name: 'explore',
  about: 'one schedule of a race under dpor, with every check and without, against a task switch',
  run() {
    const switchUs = switchNs() / 1000;
    return RACES.flatMap((race) =>
      [true, false].flatMap((isChecked, i): Row[] => {
        const us = scheduleUs(race, isChecked);
        const what = `${race.name}, ${isChecked ? 'every check' : 'no check'}`;
        return [
          { name: what, value: us / switchUs, unit: 'switches', goal: race.goals[i]! },
          { name: `${what}: schedules a second`, value: 1e6 / us, unit: '1/s' },
        ];
      }),
    );
  },
};

function scheduleUs({ pages, calls }: (typeof RACES)[number], isChecked: boolean): number {
  const process = new DeviceProcess(new Machine({ ramBytes: 16 * MIB }));
  const sizeBytes = pages * PAGE_SIZE;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  const director = new Director(new DporStrategy());
  const subject = new MachineSubject(raceOf(process, calls(process, at)), director, { stepLimit: 20_000, isChecked });
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let schedules = 0;
    while (schedules < SCHEDULES) {
      director.strategy = new DporStrategy();
      const run = new Explorer(director).run(SCHEDULES);
      let next = run.next();
      while (!next.done) next = run.next(explored(subject, director));
      schedules += next.value.schedules;
    }
    least = Math.min(least, (performance.now() - start) / schedules);
  }
  subject.release();
  return least * 1000;
}

function raceOf({ machine, thread }: DeviceProcess, calls: readonly SystemCall[]): Race {
  const threads = [thread, machine.threadByTid(machine.call(thread, 'thread').ret)!];
  return {
    machine,
    start() {
      for (const [i, [name, ...args]] of calls.entries()) machine.start(threads[i]!, name, args);
    },
    outcome: () => '',
  };
}
