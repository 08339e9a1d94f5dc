import { explore } from '../../driver/explore/index.js';
import { Recorder } from '../../driver/recording/index.js';
import { faultyRace, raceOf, sortedOut } from '../explore/explore-work.js';
import { RACE_TOKEN, type RaceId, type TokenWords } from '../explore/race-token.js';
import { misfitError } from '../explore/witness.js';
import type { RecordedRun, RecordOptions } from './recorded-run.js';

export function recordRaceToken([token, file]: TokenWords, options: RecordOptions): RecordedRun {
  return recordRace(RACE_TOKEN.read(token, file), options);
}

/** One schedule of a race; step 0 is behind its set-up. Throws UsageError for choices that the schedule does not have. */
export function recordRace(id: RaceId, options: RecordOptions): RecordedRun {
  const { test, path, profile, dialect, injections, choices } = id;
  const race = faultyRace(raceOf(test, { path, profile, dialect }), injections);
  const { machine } = race;
  const { scheduler } = machine.kernel;
  let recorder: Recorder | null = null;
  let last = 0;
  const watched = {
    machine,
    start() {
      scheduler.wantsFine = true;
      recorder = new Recorder(machine, options);
      race.start();
    },
    outcome() {
      last = recorder!.history.steps;
      return race.outcome();
    },
  };
  const exploration = explore(watched, { strategy: 'replay', choices, budget: 1 });
  if (typeof exploration.misfit === 'string')
    throw misfitError(exploration.misfit, { test, path, isMoved: options.isMoved ?? false });
  const { outcomes, findings } = sortedOut(exploration);
  const recording = recorder!.end();
  return {
    title: `race ${test.name} on ${path}, ${profile}: ${test.threads.map((ops) => ops.join('; ')).join(' | ')}`,
    recording,
    last: last || recording.steps,
    outcome: [...outcomes.keys()][0] ?? 'none',
    findings: findings.map(({ kind, message }) => `${kind}: ${message.split('\n')[0]}`),
  };
}
