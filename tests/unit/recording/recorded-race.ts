import { SeededRandom } from '../../../driver/core/policy.js';
import { type MachineView, machineNow, Recorder, type Recording, stopAfter } from '../../../driver/recording/index.js';
import { MachineError } from '../../../driver/sys/machine/machine-error.js';
import { type MachineProgram, MachineRace } from '../explore/machine-race.js';

/** A program under one schedule. */
export interface RaceRun {
  readonly program: MachineProgram;
  readonly seed: number;
  readonly isFine?: boolean;
}

/** It stands before its first step. */
export function ready({ program, seed, isFine = false }: RaceRun): MachineRace {
  const race = new MachineRace(program);
  Object.assign(race.machine.kernel.scheduler, { policy: new SeededRandom(seed), wantsFine: isFine });
  race.start();
  return race;
}

/** What is left when the run breaks is of interest too. */
export function goOn({ machine }: MachineRace): void {
  try {
    machine.run();
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
  }
}

export function recorded(run: RaceRun): Recording {
  const race = ready(run);
  const recorder = new Recorder(race.machine);
  goOn(race);
  return recorder.end();
}

/** The machine of the same run, stopped there. */
export function stopped(run: RaceRun, step: number): MachineView {
  const race = ready(run);
  if (step > 0) {
    stopAfter(race.machine, step);
    goOn(race);
    race.machine.kernel.observe(null);
  }
  return machineNow(race.machine, step).view();
}
