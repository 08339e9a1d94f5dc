import { Director, type Strategy } from './director.js';
import type { Race } from './race.js';
import { RandomStrategy } from './random-strategy.js';
import { ReplayStrategy } from './replay-strategy.js';
import { MachineSubject, type Subject } from './subject.js';

export type StrategyName = 'random' | 'replay';

export interface ExploreOptions {
  readonly strategy: StrategyName;
  /** Schedules at most. */
  readonly budget?: number;
  readonly seed?: number;
  /** What `replay` repeats. */
  readonly choices?: readonly number[];
  /** Prove the machine after every schedule; true unless given. */
  readonly isChecked?: boolean;
  /** Steps that one schedule may take. */
  readonly stepLimit?: number;
}

/** One outcome of a race. */
export interface RaceOutcome {
  /** How many of the schedules that ran came to it. */
  schedules: number;
  /** Choices of one schedule that does, for `replay`. */
  witness: readonly number[];
}

/** Something that must not be. */
export interface RaceFinding {
  readonly kind: 'deadlock' | 'livelock' | 'error';
  readonly message: string;
  readonly witness: readonly number[];
}

/** `complete`: no other schedule can come to anything else. `budget`: there were more schedules than were allowed. */
export type Verdict = 'complete' | 'bound' | 'budget';

export interface Exploration {
  readonly outcomes: ReadonlyMap<string, RaceOutcome>;
  readonly findings: readonly RaceFinding[];
  readonly verdict: Verdict;
  /** Schedules that ran. */
  readonly schedules: number;
  /** Of those, how many differ in more than the order of steps that have nothing to do with each other. */
  readonly inequivalent: number;
}

const DEFAULT_BUDGET = 100_000;
const DEFAULT_STEP_LIMIT = 20_000;

/** Runs a race under many schedules, each from the state that its machine is in now, and leaves the machine in that state. */
export function explore(race: Race, options: ExploreOptions): Exploration {
  const strategy = strategyOf(options);
  const director = new Director(strategy);
  const subject = new MachineSubject(race, director, { stepLimit: DEFAULT_STEP_LIMIT, ...options });
  try {
    return new Explorer(subject, director, strategy).run(options.budget ?? DEFAULT_BUDGET);
  } finally {
    subject.release();
  }
}

function strategyOf({ strategy, seed = 1, budget = DEFAULT_BUDGET, choices = [] }: ExploreOptions): Strategy {
  return strategy === 'replay' ? new ReplayStrategy(choices) : new RandomStrategy(seed, budget);
}

class Explorer {
  private readonly outcomes = new Map<string, RaceOutcome>();
  private readonly findings = new Map<string, RaceFinding>();

  constructor(
    private readonly subject: Subject,
    private readonly director: Director,
    private readonly strategy: Strategy,
  ) {}

  run(budget: number): Exploration {
    let schedules = 0;
    while (schedules < budget && this.strategy.begins()) {
      schedules++;
      this.one();
    }
    const { outcomes, findings } = this;
    return { outcomes, findings: [...findings.values()], verdict: 'budget', schedules, inequivalent: schedules };
  }

  private one(): void {
    const { subject, director } = this;
    subject.goBack();
    try {
      subject.start();
      director.begins();
      const { reason, blocked } = subject.run();
      director.ends();
      if (reason === 'idle') this.came(subject.outcome());
      else if (reason === 'deadlock') {
        const waits = blocked.map(
          ({ task, doing, waitsFor, ownedBy }) => `${task} in ${doing} waits for ${waitsFor} of ${ownedBy}`,
        );
        this.found('deadlock', waits.join('; '));
        this.came('hang');
      } else this.found('livelock', 'no end');
    } catch (error) {
      director.ends();
      this.found('error', error instanceof Error ? error.message.split('\n')[0]! : String(error));
    }
  }

  private came(outcome: string): void {
    const known = this.outcomes.get(outcome);
    if (known === undefined) this.outcomes.set(outcome, { schedules: 1, witness: this.witness() });
    else known.schedules++;
  }

  private found(kind: RaceFinding['kind'], message: string): void {
    const name = `${kind} ${message}`;
    if (!this.findings.has(name)) this.findings.set(name, { kind, message, witness: this.witness() });
  }

  /** Without the defaults at the end. */
  private witness(): number[] {
    const choices = this.director.choices.slice();
    while (choices.at(-1) === 0) choices.pop();
    return choices;
  }
}
