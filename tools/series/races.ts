import { type ExploreOptions, explore, type RaceFinding, type Verdict } from '../../driver/explore/index.js';
import { litmusLibrary } from '../../tests/litmus/library.js';
import type { PathName } from '../../uapi/path-name.js';
import { exploreLitmus, type HowToExplore, raceOf } from '../explore/explore-work.js';
import type { Litmus } from '../explore/litmus-file.js';
import { RACE_TOKEN } from '../explore/race-token.js';
import { type Property, suspectsOf, withPropertyOf } from './properties.js';
import { type RaceShape, shapeOf, textOf } from './race-shape.js';

/** A way in which a call of the series and something beside it end that must not be. */
export interface RaceHunted {
  readonly test: Litmus;
  /** What is wrong, without the numbers of folios and tasks. */
  readonly message: string;
  readonly shape: RaceShape;
  /** Repeats a schedule that ends so. */
  readonly token: string;
  /** What the call ran beside wherever it ended so: threads but the first. */
  readonly beside: ReadonlySet<string>;
  readonly tests: number;
  /** The defects of the path that it takes: with all of them repaired no schedule of the test ends so. */
  readonly cures: readonly Property[];
  /** What exploring the same test on `unified` came to. */
  readonly repaired: { readonly verdict: Verdict; readonly schedules: number; readonly findings: number };
}

/** How much of it is done. */
export interface RaceBudget {
  /** Schedules drawn of each test. */
  readonly schedules: number;
  /** Of one test on `unified`, at most. */
  readonly repaired: number;
}

/** A schedule of a test. */
interface Example {
  readonly test: Litmus;
  readonly message: string;
  readonly choices: readonly number[];
}

interface Raced {
  readonly shape: RaceShape;
  /** One of each test that ends so. */
  readonly examples: readonly Example[];
}

const REPAIRED: PathName = 'unified';
const PROFILE = '6.12';
const ON_FAULT = / MIGRATE_ON_FAULT_TO_DEV /;
/** Of the schedule that a report shows. */
const SIMPLEST_BUDGET = 1_000;
const MOST_PREEMPTIONS = 3;
/** Tests that are tried as the one to show, and schedules of each. */
const MOST_TRIED = 8;
const SOON = 2_000;
/** What is rare in the schedules that were drawn is looked for in so many times as many before it counts as gone. */
const ABLATION_FACTOR = 4;

/** The tests of the library in which the call of the series races with something. */
export function onFaultTests(): Litmus[] {
  return litmusLibrary()
    .filter(({ threads, profile }) => profile === undefined && threads.some(([op]) => ON_FAULT.test(op!)))
    .map((test) => ({ ...test, recorded: null }));
}

/** A way in which schedules of one test end. */
export type Drawn = Omit<Example, 'test'> & Pick<Raced, 'shape'>;

/** Every test under drawn schedules, then what each finding comes from. */
export class RaceHunt {
  /** By the key of their shape. */
  private readonly raced = new Map<string, Raced>();
  /** By path, test and what is said of them: findings of one test with the same text have the same shape, whichever process looks. */
  private readonly shapes = new Map<string, RaceShape>();

  constructor(
    private readonly path: PathName,
    private readonly budget: RaceBudget,
  ) {}

  draw(test: Litmus): Drawn[] {
    return exploreLitmus(test, drawn(this.path, this.budget.schedules)).findings.map((finding) => ({
      message: textOf(finding),
      shape: this.shape(test, this.path, finding),
      choices: finding.witness,
    }));
  }

  /** What was drawn of a test, maybe by another process. */
  add(test: Litmus, found: readonly Drawn[]): void {
    for (const { shape, ...example } of found) {
      const { examples = [] } = this.raced.get(shape.key) ?? {};
      this.raced.set(shape.key, { shape, examples: [...examples, { test, ...example }] });
    }
  }

  /** How many there are to explain. */
  get count(): number {
    return this.raced.size;
  }

  /** How schedules have ended, one example of each. */
  get ways(): Pick<RaceHunted, 'message' | 'shape'>[] {
    return [...this.raced.values()].map(({ shape, examples: [first] }) => ({ shape, message: first!.message }));
  }

  *explained(): Generator<RaceHunted> {
    for (const one of this.raced.values()) yield this.explain(one);
  }

  private explain({ shape, examples }: Raced): RaceHunted {
    const { example, repaired } = this.clearest(examples);
    const { test, message } = example;
    const one = { test, message, shape };
    return {
      ...one,
      beside: new Set(examples.flatMap(({ test: { threads } }) => threads.slice(1).flat())),
      tests: examples.length,
      token: RACE_TOKEN.write({ test, ...on(this.path), injections: [], choices: this.simplest(example, shape) }),
      cures: this.curesOf(one),
      repaired,
    };
  }

  /** The smallest test that soon shows that no schedule of it ends so on `unified`; else the smallest, as far as the budget goes. */
  private clearest(examples: readonly Example[]): Pick<RaceHunted, 'repaired'> & { readonly example: Example } {
    const sorted = [...examples].sort((a, b) => pagesOf(a.test) - pagesOf(b.test));
    const onRepaired = (example: Example, budget: number) => {
      const how = { ...drawn(REPAIRED, budget), strategy: 'dpor' } as const;
      const { verdict, schedules, findings } = exploreLitmus(example.test, how);
      return { example, repaired: { verdict, schedules, findings: findings.length } };
    };
    for (const example of sorted.slice(0, MOST_TRIED)) {
      const tried = onRepaired(example, Math.min(SOON, this.budget.repaired));
      if (tried.repaired.verdict === 'complete') return tried;
    }
    return onRepaired(sorted[0]!, this.budget.repaired);
  }

  private shape(test: Litmus, path: PathName, finding: RaceFinding): RaceShape {
    const text = textOf(finding);
    const known = `${path} ${test.name} ${text}`;
    const shape = this.shapes.get(known) ?? shapeOf(raceOf(test, on(path)), finding);
    this.shapes.set(known, shape);
    return shape;
  }

  /** The fewest of the path's defects without which it is gone: each of them is needed. None: it stays without all of them. */
  private curesOf(one: Pick<RaceHunted, 'test' | 'message' | 'shape'>): readonly Property[] {
    const isGone = (repaired: readonly Property[]): boolean => {
      const path = repaired.reduce((before, { name }) => withPropertyOf(before, name, REPAIRED), this.path);
      const options = { strategy: 'random', budget: ABLATION_FACTOR * this.budget.schedules, seed: 1 } as const;
      const left = findingsUntil(one, path, options);
      return !left.some((finding) => isSameWay(this.shape(one.test, path, finding), one.shape));
    };
    let cures = suspectsOf(this.path, REPAIRED).filter(({ cause }) => cause !== null);
    if (!isGone(cures)) return [];
    for (const cure of cures) {
      const others = cures.filter((other) => other !== cure);
      if (others.length > 0 && isGone(others)) cures = others;
    }
    return cures;
  }

  /** Choices of a schedule that ends in the same way with the fewest preemptions, as far as that is soon found. */
  private simplest({ choices, ...one }: Example, shape: RaceShape): readonly number[] {
    const options = { strategy: 'bounded', preemptions: MOST_PREEMPTIONS, budget: SIMPLEST_BUDGET } as const;
    const race = raceOf(one.test, on(this.path));
    const same = findingsUntil(one, this.path, options).find(
      (finding) => textOf(finding) === one.message && shapeOf(race, finding).key === shape.key,
    );
    return same?.witness ?? choices;
  }
}

/** How many pages the calls of the race name. */
function pagesOf({ threads }: Litmus): number {
  const pages = threads.flat().map((op) => Number(op.split(' ')[op.startsWith('dm ') ? 6 : 4] ?? 1));
  return pages.reduce((sum, one) => sum + one, 0);
}

/** Whatever is left of a page that is kept: one exploration has one schedule of each text. */
function isSameWay(a: RaceShape, b: RaceShape): boolean {
  return a.key === b.key || (a.lost !== null && b.lost !== null);
}

function on(path: PathName): Pick<HowToExplore, 'path'> & { readonly profile: typeof PROFILE } {
  return { path, profile: PROFILE };
}

function drawn(path: PathName, budget: number): HowToExplore {
  return { ...on(path), strategy: 'random', budget, seed: 1, isChecked: true };
}

/** What schedules of the test come to, up to the first that says `message`. */
function findingsUntil(
  { test, message }: Pick<Example, 'test' | 'message'>,
  path: PathName,
  options: ExploreOptions,
): readonly RaceFinding[] {
  return explore(raceOf(test, on(path)), {
    ...options,
    // Who waits, or keeps a lock, shows without a proof of the whole machine.
    isChecked: message.startsWith('invariant'),
    until: ({ findings }) => findings.some((found) => textOf(found) === message),
  }).findings;
}
