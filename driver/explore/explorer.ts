import type { Director, Strategy, Verdict } from './director.js';
import { type Line, LineStrategy } from './line.js';
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
  /** Of those, how many ran to their end: with `dpor` they differ in more than the order of steps that never had to do with each other. */
  readonly inequivalent: number;
  /** Of `pct`: the chance of one schedule to show what needs so deep an order. */
  readonly guarantee?: number;
  /** Of `replay`: why there is no such schedule; null when there is. */
  readonly misfit?: string | null;
}

/** What one schedule came to: neither an outcome nor a finding when it was given up. */
export interface Result {
  readonly outcome?: string;
  readonly findings: readonly FoundNow[];
}

const UNSOUND = 'the order of steps matters that were taken for independent: something that they share is not observed';
const GIVEN_UP: Result = { findings: [] };

/** What is known of an outcome or a finding. */
interface Seen {
  schedules: number;
  line: Line | null;
  witness: readonly number[];
}

/** Runs schedule after schedule and keeps what they came to. Who drives it runs a schedule whenever it yields, and hands back the result. */
export class Explorer {
  private readonly outcomes = new Map<string, Seen>();
  private readonly findings = new Map<string, Seen & { readonly finding: FoundNow }>();
  private readonly strategy: Strategy;
  private schedules = 0;
  private inequivalent = 0;

  constructor(private readonly director: Director) {
    this.strategy = director.strategy;
  }

  /** Also ends after a schedule of which `isEnough`. */
  *run(budget: number, isEnough: (result: Result) => boolean = () => false): Generator<void, Exploration, Result> {
    const { strategy } = this;
    let isOver = false;
    for (let isDone = false; this.schedules < budget && !isOver && !isDone; ) {
      isOver = !strategy.begins();
      if (isOver) break;
      const result = yield;
      this.note(result);
      isDone = isEnough(result);
    }
    // Whether another one is left is known by asking.
    const verdict = isOver || !strategy.begins() ? strategy.verdict : 'budget';
    for (const [outcome, seen] of this.outcomes) yield* this.writeDown(seen, (result) => result.outcome === outcome);
    for (const seen of [...this.findings.values()])
      yield* this.writeDown(seen, ({ findings }) => findings.some(({ message }) => message === seen.finding.message));
    const { outcomes, schedules, inequivalent } = this;
    const findings = [...this.findings.values()].map(({ finding, witness }) => ({ ...finding, witness }));
    const { guarantee, misfit } = strategy;
    return {
      ...{ outcomes, findings, verdict, schedules, inequivalent },
      ...(guarantee === undefined ? {} : { guarantee }),
      ...(misfit === undefined ? {} : { misfit }),
    };
  }

  private note({ outcome, findings }: Result): void {
    this.schedules++;
    if (outcome === undefined && findings.length === 0) return;
    this.inequivalent++;
    if (outcome !== undefined) this.count(this.outcomes, outcome, (seen) => seen);
    for (const finding of findings)
      this.count(this.findings, `${finding.kind} ${finding.message}`, (seen) => ({ ...seen, finding }));
  }

  private count<T extends Seen>(known: Map<string, T>, name: string, make: (seen: Seen) => T): void {
    let seen = known.get(name);
    if (seen === undefined) {
      seen = make({ schedules: 0, line: null, witness: choicesOf(this.director) });
      known.set(name, seen);
    }
    seen.schedules++;
    seen.line = this.strategy.line?.(seen.line) ?? seen.line;
  }

  /** The choices of a line, by running it. That it comes to the same proves a part of what the search has relied on. */
  private *writeDown(seen: Seen, isSame: (result: Result) => boolean): Generator<void, void, Result> {
    if (seen.line === null) return;
    const { director } = this;
    const strategy = new LineStrategy(seen.line);
    director.strategy = strategy;
    const result = yield;
    director.strategy = this.strategy;
    if (!strategy.isBroken && isSame(result)) {
      seen.witness = choicesOf(director);
      return;
    }
    const finding: FoundNow = { kind: 'error', message: UNSOUND, functions: [] };
    this.findings.set(UNSOUND, { ...seen, line: null, finding });
  }
}

/** Of the last schedule, without the defaults at the end. */
function choicesOf({ choices }: Director): number[] {
  let end = choices.length;
  while (end > 0 && choices[end - 1] === 0) end--;
  return choices.slice(0, end);
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
