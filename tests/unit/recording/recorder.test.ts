import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MachineView, machineNow, Recorder } from '../../../driver/recording/index.js';
import { runs } from '../../counts.js';
import { type MachineRace, machineProgram } from '../explore/machine-race.js';
import { goOn, type RaceRun, ready, recorded, stopped } from './recorded-race.js';

const run: fc.Arbitrary<RaceRun> = fc.record({
  program: machineProgram(3, { ops: 3, pages: 3 }),
  seed: fc.nat(),
  isFine: fc.boolean(),
});

/** While a migration runs alone, who looks at nothing else takes a shorter way past the rmap lock. */
const ALONE_IN_RMAP: RaceRun = {
  program: {
    path: 'classic',
    pages: 1,
    hasSwap: false,
    hasChild: false,
    setup: [{ what: 'WRITE', page: 0, npages: 1, which: 0 }],
    threads: [[{ what: 'MIGRATE_ON_FAULT_TO_DEV', page: 0, npages: 1, which: 0 }]],
  },
  seed: 0,
};

/** Where a task stands is known of recordings alone. */
function withoutStacks(view: MachineView): MachineView {
  return { ...view, tasks: view.tasks.map((task) => ({ ...task, stack: [] })) };
}

describe('Recorder', () => {
  it('knows the machine after every step as one that is stopped there has it', () => {
    fc.assert(
      fc.property(run, fc.nat(), (of, at) => {
        const recording = recorded(of);
        for (const step of [0, at % (recording.steps + 1), recording.steps])
          expect(withoutStacks(recording.at(step).view())).toEqual(stopped(of, step));
      }),
      { ...runs(5, 15), examples: [[ALONE_IN_RMAP, 27]] },
    );
  });

  it('changes nothing: answers, pages and time are those of a run that nobody looks at', () => {
    fc.assert(
      fc.property(run, (of) => {
        const [plain, seen] = [ready(of), ready(of)];
        const recorder = new Recorder(seen.machine);
        for (const race of [plain, seen]) goOn(race);
        const { steps } = recorder.end();
        const clocks = [plain, seen].map(({ machine }) => machine.kernel.scheduler.clock.nowTicks);
        expect(clocks[1]).toBe(clocks[0]);
        expect(steps).toBeGreaterThanOrEqual(
          seen.machine.kernel.scheduler.steps - plain.machine.kernel.scheduler.steps,
        );
        expect(machineNow(seen.machine).view()).toEqual(machineNow(plain.machine).view());
        expect(outcomeOf(seen)).toBe(outcomeOf(plain));
      }),
      runs(5, 15),
    );
  });
});

function outcomeOf(race: MachineRace): string {
  try {
    return race.outcome();
  } catch (error) {
    return String(error).split('\n')[0]!;
  }
}
