import type { Violation } from '../../driver/check/index.js';
import { COMMANDS, FAMILIES, type FamilyPlan } from '../../tests/conform/families.js';
import { generateFrom } from '../../tests/conform/generate.js';
import { type Judged, Replayer } from '../../tests/conform/replay.js';
import { reduce } from '../../tests/conform/shrink/shrink.js';
import type { PathName } from '../../uapi/path-name.js';
import { type Property, suspectsOf, withPropertyOf } from './properties.js';

/** Something that a path does and must not, in its smallest form. */
export interface Hunted {
  /** What was seen, on the path with what was found before repaired. */
  readonly violation: Violation;
  /** The ops show something on the path itself. */
  readonly isSeen: boolean;
  /** The ops that show it. */
  readonly ops: readonly string[];
  /** Where it was found: a generated sequence, `family:seed`. */
  readonly from: string;
  /** With each of these as the repaired path has it, it is gone; the first tells its cause. Empty: with none alone. */
  readonly cures: readonly Property[];
  /** The repaired path shows nothing at these ops. */
  readonly isCleanWhenRepaired: boolean;
}

/** A sequence of the generator. */
export interface Generated {
  readonly family: string;
  readonly seed: number;
}

const ON_FAULT = { ...COMMANDS, MIGRATE_ON_FAULT_TO_DEV: 120 };

/** The families of the recordings but for ioctls of arbitrary bytes, and one in which all that they do meets in large regions. */
const { raw: _, ...MEMORY_FAMILIES } = FAMILIES;
const PLANS: Readonly<Record<string, FamilyPlan>> = {
  ...MEMORY_FAMILIES,
  // Ranges of several chunks.
  chunks: { ...FAMILIES.small, regionPages: [66, 100, 130, 190], regions: 1, steps: [8, 30], isMostlyWhole: true },
  'pin-thp': {
    ...FAMILIES.thp,
    ops: { dm: 100, store: 60, load: 20, advise: 30, pin: 120, gup: 0, fork: 6, open: 6, protect: 6 },
    steps: [8, 24],
    advice: { ...FAMILIES.thp.advice, PAGEOUT: 20 },
    devices: [0, 1],
  },
};

/** Enough for every family; a machine that has failed is replaced by a new one. */
const RAM_BYTES = 64 << 20;

/** What a finding is held against, and what its repair is taken from. */
const REPAIRED: PathName = 'unified';

/**
 * Runs generated sequences on `path` and proves the machine after every op. What is found is reduced to the fewest ops, its cause is the
 * property of the path without which it goes away, and from then on that property counts as repaired, so that what it hid is found next.
 * Yields after every sequence, null without a finding.
 */
export function* hunt(path: PathName, sequences: Iterable<Generated>): Generator<Hunted | null> {
  const judges = new Judges();
  let repaired = path;
  for (const { family, seed } of sequences) {
    const lines = linesOf({ family, seed });
    for (;;) {
      const seen = judges.judge(repaired, family, lines);
      const found = seen && explain(judges, { path, repaired, family }, lines);
      yield found && { ...found, from: `${family}:${seed}` };
      const [cure] = found?.cures ?? [];
      if (cure === undefined) break;
      repaired = withPropertyOf(repaired, cure.name, REPAIRED);
    }
  }
}

/** Which of them show anything on `path` itself. Whoever hunts needs no others. */
export function scan(path: PathName): (sequences: readonly Generated[]) => Generated[] {
  const judges = new Judges();
  return (sequences) =>
    sequences.filter(({ family, seed }) => judges.judge(path, family, linesOf({ family, seed })) !== null);
}

/** Its ops. */
export function linesOf({ family, seed }: Generated): readonly string[] {
  return generateFrom(PLANS[family]!, seed, ON_FAULT);
}

/** Every family in turn, seed by seed. */
export function* sequencesOf(count: number, first = 0): Generator<Generated> {
  const families = Object.keys(PLANS);
  for (let i = 0; i < count; i++)
    yield { family: families[i % families.length]!, seed: first + Math.floor(i / families.length) };
}

function explain(
  judges: Judges,
  { path, repaired, family }: { path: PathName; repaired: PathName; family: string },
  lines: readonly string[],
): Omit<Hunted, 'from'> | null {
  const { lines: ops, found } = reduce(lines, (candidate) => judges.judge(repaired, family, candidate));
  if (found === null) return null;
  const cures = suspectsOf(repaired, REPAIRED).filter(
    ({ name }) => judges.judge(withPropertyOf(repaired, name, REPAIRED), family, ops) === null,
  );
  const isSeen = judges.judge(path, family, ops) !== null;
  return {
    violation: found.violation,
    ops,
    cures,
    isSeen,
    isCleanWhenRepaired: judges.judge(REPAIRED, family, ops) === null,
  };
}

/** A machine for each path that is asked about. */
class Judges {
  private readonly replayers = new Map<string, Replayer>();

  judge(path: PathName, family: string, ops: readonly string[]): Judged | null {
    let replayer = this.replayers.get(path);
    if (replayer === undefined) {
      replayer = new Replayer({ path, isJudged: true, machine: { ramBytes: RAM_BYTES } });
      this.replayers.set(path, replayer);
    }
    return replayer.judge(`${family}-0`, ops);
  }
}
