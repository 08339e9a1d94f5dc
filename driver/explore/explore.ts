import { BoundedStrategy } from './bounded-strategy.js';
import { Director, type Strategy } from './director.js';
import { DporStrategy } from './dpor-strategy.js';
import { type Exploration, Explorer, explored } from './explorer.js';
import { PctStrategy } from './pct-strategy.js';
import type { Race } from './race.js';
import { RandomStrategy } from './random-strategy.js';
import { ReplayStrategy } from './replay-strategy.js';
import { STRATEGIES, type StrategyName } from './strategy-name.js';
import { MachineSubject, type Subject } from './subject.js';
import type { Result } from './tally.js';

export interface ExploreOptions {
  readonly strategy?: StrategyName;
  /** Schedules at most. */
  readonly budget?: number;
  readonly seed?: number;
  /** Of `bounded`: as many at most. */
  readonly preemptions?: number;
  /** Of `pct`: steps that must come in one order for what it looks for. */
  readonly depth?: number;
  /** Of `replay`. */
  readonly choices?: readonly number[];
  /** Prove the machine after every schedule; true unless given. */
  readonly isChecked?: boolean;
  /** Asked after each schedule: nothing more is wanted to know. */
  readonly until?: (result: Result) => boolean;
  /** Virtual microseconds of its own, steps and sleeps, that a call may take; without a limit unless given. */
  readonly deadlineUs?: number;
  /** Steps that one schedule may take before everybody gets a turn. */
  readonly stepLimit?: number;
}

export const DEFAULT_BUDGET = 100_000;
const DEFAULT_STEP_LIMIT = 20_000;
const DEFAULT_DEPTH = 3;
const DEFAULT_PREEMPTIONS = 2;

/** Runs a race under many schedules, each from the state that its machine is in now, and leaves the machine in that state. */
export function explore(race: Race, options: ExploreOptions = {}): Exploration {
  return exploreSubject((director) => new MachineSubject(race, director, subjectOptions(options)), options);
}

const AT_LEAST = { budget: 1, seed: 0, preemptions: 0, depth: 1, deadlineUs: 1, stepLimit: 1 } as const;

/** Throws a RangeError that names what can't be. */
export function checkOptions(options: ExploreOptions): void {
  const { strategy = 'dpor' } = options;
  if (!STRATEGIES.includes(strategy))
    throw new RangeError(`strategy is '${strategy}', not one of ${STRATEGIES.join(', ')}`);
  for (const [name, least] of Object.entries(AT_LEAST)) {
    const value = options[name as keyof typeof AT_LEAST];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
      throw new RangeError(`${name} is ${value}, not a whole number of at least ${least}`);
  }
}

export function subjectOptions({ stepLimit = DEFAULT_STEP_LIMIT, isChecked = true }: ExploreOptions) {
  return { stepLimit, isChecked };
}

export function exploreSubject(subjectOf: (director: Director) => Subject, options: ExploreOptions = {}): Exploration {
  const director = directorOf(options);
  const subject = subjectOf(director);
  try {
    const run = new Explorer(director).run(options.budget ?? DEFAULT_BUDGET, options.until);
    let next = run.next();
    while (!next.done) next = run.next(explored(subject, director));
    return next.value;
  } finally {
    subject.release();
  }
}

export function directorOf(options: ExploreOptions): Director {
  const director = new Director(strategyOf(options));
  director.deadlineTicks = options.deadlineUs ?? director.deadlineTicks;
  return director;
}

export function strategyOf(options: ExploreOptions): Strategy {
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
