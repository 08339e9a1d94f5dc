import type { Director, Strategy, Verdict } from './director.js';
import { LineStrategy } from './line.js';
import {
  errorFinding,
  type FindingKind,
  type FoundNow,
  lateFinding,
  livelockFinding,
  type RaceFinding,
  stuckFinding,
} from './race-finding.js';
import type { Subject } from './subject.js';
import { choicesOf, type Result, type Seen, Tally } from './tally.js';

/** One outcome of a race. */
export interface RaceOutcome {
  /** How many of the schedules that ran came to it. */
  readonly schedules: number;
  /** Choices of one schedule that does, for `replay`. With `dpor` the first of all in a fixed order: it has the fewest switches. */
  readonly witness: readonly number[];
}

export interface Exploration {
  readonly outcomes: ReadonlyMap<string, RaceOutcome>;
  readonly findings: readonly RaceFinding[];
  readonly verdict: Verdict;
  /** Schedules that ran, those included that were given up. */
  readonly schedules: number;
  /** Of `dpor`: those of them that ran to their end, which differ in more than the order of steps that never had to do with each other. */
  readonly inequivalent?: number;
  /** Of `pct`: the chance of one schedule to show what needs so deep an order. */
  readonly guarantee?: number;
  /** Of `replay`: why there is no such schedule; null when there is. */
  readonly misfit?: string | null;
}

const UNSOUND = 'the order of steps matters that were taken for independent: something that they share is not observed';
const GIVEN_UP: Result = { findings: [] };

/** Runs schedule after schedule and keeps what they came to. Who drives it runs a schedule whenever it yields, and hands back the result. */
export class Explorer {
  readonly tally = new Tally();
  private readonly strategy: Strategy;

  constructor(private readonly director: Director) {
    this.strategy = director.strategy;
  }

  /** Also ends after a schedule of which `isEnough`. */
  *run(budget: number, isEnough?: (result: Result) => boolean): Generator<void, Exploration, Result> {
    const verdict = yield* this.search(budget, isEnough);
    const { guarantee, misfit } = this.strategy;
    const written = yield* writtenDown(this.tally, this.director, verdict);
    return {
      ...written,
      ...(guarantee === undefined ? {} : { guarantee }),
      ...(misfit === undefined ? {} : { misfit }),
    };
  }

  *search(budget: number, isEnough: (result: Result) => boolean = () => false): Generator<void, Verdict, Result> {
    const { strategy, tally, director } = this;
    for (let isDone = false; tally.schedules < budget && !isDone; ) {
      if (!strategy.begins()) return strategy.verdict;
      const result = yield;
      tally.note(result, director);
      isDone = isEnough(result);
    }
    // Whether another one is left is known by asking.
    return strategy.begins() ? 'budget' : strategy.verdict;
  }
}

/** Runs the lines of what was seen, to have their choices. */
export function* writtenDown(
  { outcomes, findings, schedules, inequivalent }: Tally,
  director: Director,
  verdict: Verdict,
): Generator<void, Exploration, Result> {
  const unsound: Seen[] = [];
  for (const [outcome, seen] of outcomes)
    if (!(yield* writeDown(seen, director, (result) => result.outcome === outcome))) unsound.push(seen);
  for (const seen of findings.values()) {
    const isSame = (result: Result) => result.findings.some(({ message }) => message === seen.finding.message);
    if (!(yield* writeDown(seen, director, isSame))) unsound.push(seen);
  }
  const found: RaceFinding[] = [...findings.values()].map(({ finding, witness }) => ({ ...finding, witness }));
  const [first] = unsound;
  if (first !== undefined) found.push({ kind: 'error', message: UNSOUND, functions: [], witness: first.witness });
  const told = director.strategy.isInequivalent === true ? { inequivalent } : {};
  return { outcomes, findings: found, verdict, schedules, ...told };
}

/** The choices of a line, by running it. That it comes to the same proves a part of what the search has relied on. */
function* writeDown(
  seen: Seen,
  director: Director,
  isSame: (result: Result) => boolean,
): Generator<void, boolean, Result> {
  if (seen.line === null) return true;
  const { strategy: before } = director;
  const strategy = new LineStrategy(seen.line);
  director.strategy = strategy;
  const result = yield;
  director.strategy = before;
  if (strategy.isBroken || !isSame(result)) return false;
  seen.witness = choicesOf(director);
  return true;
}

/** One schedule, from the beginning. */
export function explored(subject: Subject, director: Director): Result {
  subject.goBack();
  try {
    subject.start();
    begins(subject, director);
    let run = subject.run();
    if (run.reason === 'step-limit') {
      director.isFair = true;
      run = subject.run();
    }
    return ended(subject, director, run);
  } catch (error) {
    return broke(subject, director, error);
  }
}

export function begins({ kernel }: Subject, director: Director): void {
  kernel.scheduler.wantsFine = true;
  director.begins();
}

function ends({ kernel }: Subject, director: Director): void {
  director.ends();
  kernel.scheduler.wantsFine = false;
}

/** What a run came to that ended by itself. */
export function ended(subject: Subject, director: Director, run: ReturnType<Subject['run']>): Result {
  ends(subject, director);
  if (director.late !== null) return { findings: [lateFinding(director.late)] };
  if (run.reason === 'step-limit' || director.strategy.isLivelock === true)
    return { outcome: 'hang', findings: [livelockFinding()] };
  if (director.isGivenUp) return GIVEN_UP;
  if (run.reason === 'deadlock') return { outcome: 'hang', findings: [stuckFinding(run)] };
  const findings: FoundNow[] = [];
  guarded(findings, 'invariant', () => subject.prove());
  const outcome = guarded(findings, 'check', () => subject.outcome());
  return outcome === undefined ? { findings } : { outcome, findings };
}

/** What a run came to that threw. */
export function broke(subject: Subject, director: Director, error: unknown): Result {
  ends(subject, director);
  return { findings: [errorFinding(error, 'error')] };
}

function guarded<T>(findings: FoundNow[], kind: FindingKind, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    findings.push(errorFinding(error, kind));
    return undefined;
  }
}
