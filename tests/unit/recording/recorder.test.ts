import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../driver/core/policy.js';
import { type MachineView, machineNow, Recorder, type Recording, stopAfter } from '../../../driver/recording/index.js';
import { MachineError } from '../../../driver/sys/machine/machine-error.js';
import { runs } from '../../counts.js';
import { type MachineProgram, MachineRace, machineProgram } from '../explore/machine-race.js';

interface Run {
  readonly program: MachineProgram;
  readonly seed: number;
  readonly isFine: boolean;
}

const run: fc.Arbitrary<Run> = fc.record({
  program: machineProgram(3, { ops: 3, pages: 3 }),
  seed: fc.nat(),
  isFine: fc.boolean(),
});

function ready({ program, seed, isFine }: Run): MachineRace {
  const race = new MachineRace(program);
  Object.assign(race.machine.kernel.scheduler, { policy: new SeededRandom(seed), wantsFine: isFine });
  race.start();
  return race;
}

/** What is left when the run breaks is of interest too. */
function goOn({ machine }: MachineRace): void {
  try {
    machine.run();
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
  }
}

function recorded(of: Run): Recording {
  const race = ready(of);
  const recorder = new Recorder(race.machine);
  goOn(race);
  return recorder.end();
}

/** The machine of the same run, stopped there. */
function stopped(of: Run, step: number): MachineView {
  const race = ready(of);
  if (step > 0) {
    stopAfter(race.machine, step);
    goOn(race);
    race.machine.kernel.observe(null);
  }
  return machineNow(race.machine, step).view();
}

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
      runs(15, 30),
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
      runs(15, 30),
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
