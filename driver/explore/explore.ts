import { BoundedStrategy } from './bounded-strategy.js';
import { Director, type Strategy, type Verdict } from './director.js';
import { DporStrategy } from './dpor-strategy.js';
import { type Line, LineStrategy } from './line.js';
import { PctStrategy } from './pct-strategy.js';
import type { Race } from './race.js';
import { RandomStrategy } from './random-strategy.js';
import { ReplayStrategy } from './replay-strategy.js';
import { MachineSubject, messageOf, type Subject } from './subject.js';

/**
 * `dpor`: one schedule of each kind that can differ. `all`: every schedule. `bounded`: every schedule with so many preemptions.
 * `pct`, `random`: so many drawn ones. `replay`: the one that `choices` say.
 */
export type StrategyName = 'dpor' | 'all' | 'bounded' | 'pct' | 'random' | 'replay';

export interface ExploreOptions {
  readonly strategy?: StrategyName;
  /** Schedules at most. */
  readonly budget?: number;
  readonly seed?: number;
  /** Of `bounded`. */
  readonly preemptions?: number;
  /** Of `pct`: steps that must come in one order for what it looks for. */
  readonly depth?: number;
  /** Of `replay`. */
  readonly choices?: readonly number[];
  /** Prove the machine after every schedule; true unless given. */
  readonly isChecked?: boolean;
  /** Steps that one schedule may take. */
  readonly stepLimit?: number;
}

/** One outcome of a race. */
export interface RaceOutcome {
  /** How many of the schedules that ran came to it. */
  readonly schedules: number;
  /** Choices of one schedule that does, for `replay`. With `dpor` the first of all in a fixed order, the one with the fewest switches. */
  readonly witness: readonly number[];
}

/** Something that must not be. */
export interface RaceFinding {
  /** `as Linux`: what the real kernel does too, by the name that the race gives it. */
  readonly kind: 'deadlock' | 'livelock' | 'error' | 'as Linux';
  readonly message: string;
  readonly witness: readonly number[];
}

export interface Exploration {
  readonly outcomes: ReadonlyMap<string, RaceOutcome>;
  readonly findings: readonly RaceFinding[];
  readonly verdict: Verdict;
  /** Schedules that ran. */
  readonly schedules: number;
  /** Of those, how many differ in more than the order of steps that have nothing to do with each other; with `dpor` alone it is known. */
  readonly inequivalent: number;
  /** Of `pct`: the chance of one schedule to show what needs so deep an order. */
  readonly guarantee?: number;
}

const DEFAULT_BUDGET = 100_000;
const DEFAULT_STEP_LIMIT = 20_000;
const DEFAULT_DEPTH = 3;
const DEFAULT_PREEMPTIONS = 2;

/** Runs a race under many schedules, each from the state that its machine is in now, and leaves the machine in that state. */
export function explore(race: Race, options: ExploreOptions = {}): Exploration {
  const { stepLimit = DEFAULT_STEP_LIMIT, isChecked = true } = options;
  return exploreSubject((director) => new MachineSubject(race, director, { stepLimit, isChecked }), options);
}

export function exploreSubject(subjectOf: (director: Director) => Subject, options: ExploreOptions = {}): Exploration {
  const director = new Director(strategyOf(options));
  const subject = subjectOf(director);
  try {
    return new Explorer(subject, director).run(options.budget ?? DEFAULT_BUDGET);
  } finally {
    subject.release();
  }
}

function strategyOf(options: ExploreOptions): Strategy {
  const { strategy = 'dpor', seed = 1, budget = DEFAULT_BUDGET } = options;
  switch (strategy) {
    case 'dpor':
      return new DporStrategy();
    case 'all':
      return new BoundedStrategy();
    case 'bounded':
      return new BoundedStrategy(options.preemptions ?? DEFAULT_PREEMPTIONS);
    case 'pct':
      return new PctStrategy(seed, { depth: options.depth ?? DEFAULT_DEPTH, schedules: budget });
    case 'random':
      return new RandomStrategy(seed, budget);
    case 'replay':
      return new ReplayStrategy(options.choices ?? []);
  }
}

/** What is known of an outcome or a finding. */
interface Seen {
  schedules: number;
  line: Line | null;
  witness: readonly number[];
}

/** What one schedule came to: an outcome, a finding, or both; neither when it was given up. */
interface Result {
  outcome?: string;
  finding?: Omit<RaceFinding, 'witness'>;
}

class Explorer {
  private readonly outcomes = new Map<string, Seen>();
  private readonly findings = new Map<string, Seen & { finding: Omit<RaceFinding, 'witness'> }>();
  private readonly strategy: Strategy;
  private schedules = 0;
  private inequivalent = 0;

  constructor(
    private readonly subject: Subject,
    private readonly director: Director,
  ) {
    this.strategy = director.strategy;
  }

  run(budget: number): Exploration {
    const { strategy } = this;
    let isOver = false;
    while (this.schedules < budget && !isOver) {
      isOver = !strategy.begins();
      if (!isOver) this.one();
    }
    // Whether another one is left is known by asking.
    const verdict = isOver || !strategy.begins() ? strategy.verdict : 'budget';
    for (const seen of [...this.outcomes.values(), ...this.findings.values()]) this.writeDown(seen);
    const { outcomes, schedules, inequivalent } = this;
    const findings = [...this.findings.values()].map(({ finding, witness }) => ({ ...finding, witness }));
    const guarantee = strategy instanceof PctStrategy ? { guarantee: strategy.guarantee } : {};
    return { outcomes, findings, verdict, schedules, inequivalent, ...guarantee };
  }

  private one(): void {
    this.schedules++;
    const { outcome, finding } = explored(this.subject, this.director);
    if (outcome === undefined && finding === undefined) return;
    this.inequivalent++;
    if (outcome !== undefined) this.note(this.outcomes, outcome, (seen) => seen);
    if (finding !== undefined)
      this.note(this.findings, `${finding.kind} ${finding.message}`, (seen) => ({ ...seen, finding }));
  }

  private note<T extends Seen>(known: Map<string, T>, name: string, make: (seen: Seen) => T): void {
    const { strategy } = this;
    let seen = known.get(name);
    if (seen === undefined) {
      seen = make({ schedules: 0, line: null, witness: this.choices() });
      known.set(name, seen);
    }
    seen.schedules++;
    seen.line = strategy.line?.(seen.line) ?? seen.line;
  }

  /** The choices of a line, by running it. */
  private writeDown(seen: Seen): void {
    if (seen.line === null) return;
    const { director } = this;
    const strategy = new LineStrategy(seen.line);
    director.strategy = strategy;
    explored(this.subject, this.director);
    if (!strategy.isBroken) seen.witness = this.choices();
    else throw new Error('steps were taken for independent that are not');
    director.strategy = this.strategy;
  }

  /** Of the last schedule, without the defaults at the end. */
  private choices(): number[] {
    const choices = this.director.choices.slice();
    while (choices.at(-1) === 0) choices.pop();
    return choices;
  }
}

/** One schedule, from the beginning. */
export function explored(subject: Subject, director: Director): Result {
  subject.goBack();
  try {
    subject.start();
    subject.kernel.scheduler.wantsFine = true;
    director.begins();
    let { reason, blocked } = subject.run();
    if (reason === 'step-limit') {
      director.isFair = true;
      ({ reason, blocked } = subject.run());
    }
    director.ends();
    subject.kernel.scheduler.wantsFine = false;
    const isLivelock = reason === 'step-limit' || director.strategy.isLivelock === true;
    if (isLivelock) return { outcome: 'hang', finding: { kind: 'livelock', message: 'nobody gets on' } };
    if (director.isGivenUp) return {};
    if (reason === 'idle') return outcomeOf(subject);
    const waits = [...blocked]
      .sort((a, b) => a.id - b.id)
      .map(
        ({ task, doing, waitsFor, ownedBy }) => `${task} in ${doing} waits for ${waitsFor} of ${ownedBy ?? 'nobody'}`,
      );
    return { outcome: 'hang', finding: named(subject, 'deadlock', waits.join('; ')) };
  } catch (error) {
    director.ends();
    subject.kernel.scheduler.wantsFine = false;
    const finding = named(subject, 'error', messageOf(error));
    return finding.kind === 'as Linux' ? { outcome: finding.message, finding } : { finding };
  }
}

/** Of a schedule that came to its end. */
function outcomeOf(subject: Subject): Result {
  const names: string[] = [];
  const outcome = subject.outcome((name) => names.push(name));
  return names.length === 0 ? { outcome } : { outcome, finding: { kind: 'as Linux', message: names[0]! } };
}

function named(subject: Subject, kind: RaceFinding['kind'], message: string): Omit<RaceFinding, 'witness'> {
  const name = subject.asLinux?.(message) ?? null;
  return name === null ? { kind, message } : { kind: 'as Linux', message: name };
}
