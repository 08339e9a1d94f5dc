import { type WalkRow, walkTable } from '../../tests/bench/walks.js';
import type { PathName } from '../../uapi/path-name.js';
import type { Output } from '../output.js';
import { workAll } from '../worker-pool.js';
import { type Generated, type Hunted, hunt } from './hunt.js';
import { onFaultTests, RaceHunt, type RaceHunted } from './races.js';
import { type Unit, type UnitResults, unitsOf } from './review-units.js';

/** What is reviewed: a path of this package, maybe with properties of one's own, and the header that goes with it. */
export interface Posting {
  readonly title: string;
  readonly path: PathName;
  /** Its header: a dialect, or what patches of mails make of one, and the released numbering that it was made for; null: it changes none. */
  readonly header: { readonly base: string; readonly dialect?: string; readonly mbox?: string } | null;
  /** What names it on a command line. */
  readonly option: string;
  /** Where it was read. */
  readonly files?: readonly string[];
  /** What the mail tells by itself. */
  readonly told: readonly string[];
}

export interface Review {
  readonly posting: Posting;
  readonly abi: UnitResults['header'];
  readonly selftests: { readonly kernel: Suite; readonly own: Suite } | null;
  readonly recordings: UnitResults['recordings'];
  readonly sweep: UnitResults['sweep'] | null;
  readonly sequences: number;
  readonly findings: readonly Hunted[];
  readonly races: readonly RaceHunted[];
  readonly walks: readonly WalkRow[];
  readonly isInterrupted: boolean;
  /** Of a shard, in which nothing is explained: sequences and races that show something. */
  readonly seen?: { readonly sequences: number; readonly races: number };
}

/** How cases of the suite ended. */
interface Suite {
  readonly passed: number;
  readonly failed: readonly { readonly name: string; readonly message: string }[];
}

type Done = { readonly of: UnitResults[Unit['kind']]; readonly ms: number };

const RACE_BUDGET = { schedules: 300, repaired: 20_000 };

/**
 * Does it all, as far as `sequences` generated sequences go, until it is told to stop. A shard explains nothing of what it finds, as what
 * explains the one hides the next: that is done when all are there.
 */
export async function review(
  posting: Posting,
  { sequences, output }: { sequences: number; output: Output },
): Promise<Review> {
  const { share, stop, progress, now } = output;
  const races = new RaceHunt(posting.path, RACE_BUDGET);
  const tests = onFaultTests();
  const all = unitsOf(posting, { sequences, races, tests, now });
  const units = share.pick(all, { nameOf: ({ name }) => `${posting.path} ${name}`, files: posting.files });
  const timed = async (unit: Unit): Promise<Done> => {
    const begun = now();
    return { of: await unit.run(), ms: now() - begun };
  };
  let done = 0;
  const results = await workAll<Unit, Done>({
    tasks: units,
    runners: [{ run: timed }],
    output,
    onResult: ({ name }) => progress.update({ done: ++done, total: units.length, failed: 0, name }),
  });
  const resultsOf = <Kind extends Unit['kind']>(kind: Kind): UnitResults[Kind][] =>
    units
      .filter((unit) => unit.kind === kind && results.has(unit))
      .map((unit) => results.get(unit)!.of as UnitResults[Kind]);
  const scanned = resultsOf('sequences');
  const seen = scanned.flatMap((part) => part.seen);
  const raced = resultsOf('race').filter(({ drawn }) => drawn.length > 0);
  const isShard = units.length < all.length && !share.isMerged;
  for (const { test, drawn } of raced) races.add(tests.find(({ name }) => name === test)!, drawn);
  const explained = isShard ? { findings: [], races: [] } : await explain({ posting, races, seen }, output);
  progress.clear();
  return {
    posting,
    abi: resultsOf('header').flat(),
    selftests: suitesOf(resultsOf('selftest')),
    recordings: resultsOf('recordings')[0] ?? null,
    sweep: sumOf(resultsOf('sweep')),
    sequences: scanned.reduce((sum, { count }) => sum + count, 0),
    ...explained,
    walks: walkTable([posting.path]),
    isInterrupted: stop.isRequested,
    ...(isShard ? { seen: { sequences: seen.length, races: raced.length } } : {}),
  };
}

/** Reduces what was found, and says what it comes from. */
async function explain(
  { posting, races, seen }: { posting: Posting; races: RaceHunt; seen: readonly Generated[] },
  { stop, progress }: Output,
): Promise<Pick<Review, 'findings' | 'races'>> {
  const found = { findings: [] as Hunted[], races: [] as RaceHunted[] };
  const step = (done: number, name: string): void =>
    progress.update({ done, total: seen.length, failed: found.findings.length, name });
  for (const race of races.explained()) {
    found.races.push(race);
    step(0, 'explaining races');
    if ((found.races.length < races.count || seen.length > 0) && (await stop.look())) return found;
  }
  let done = 0;
  for (const finding of hunt(posting.path, seen)) {
    if (finding === null) done++;
    else found.findings.push(finding);
    step(done, `explaining sequences, last found: ${finding?.cures[0]?.name ?? 'nothing'}`);
    if (done < seen.length && (await stop.look())) break;
  }
  return found;
}

function suitesOf(results: readonly UnitResults['selftest'][]): Review['selftests'] {
  if (results.length === 0) return null;
  const isKernels = ({ name }: UnitResults['selftest']): boolean => /^hmm|^migrate_on_fault\.migrate/.test(name);
  const suite = (all: typeof results): Suite => ({
    passed: all.filter(({ status }) => status === 'pass').length,
    failed: all.flatMap(({ status, name, message = '' }) =>
      status === 'fail' ? [{ name, message: message.split('\n')[0]! }] : [],
    ),
  });
  return { kernel: suite(results.filter(isKernels)), own: suite(results.filter((one) => !isKernels(one))) };
}

function sumOf(swept: readonly UnitResults['sweep'][]): Review['sweep'] {
  if (swept.length === 0) return null;
  return {
    runs: swept.reduce((sum, { runs }) => sum + runs, 0),
    findings: swept.flatMap(({ findings }) => findings),
  };
}

/** The postings that `--posting` names. */
export function postingNamed(name: 'v1' | 'late'): Posting {
  return { path: `posted-${name}`, option: `--path posted-${name}`, told: [], ...POSTINGS[name] };
}

// The late form came on top of FLAGS.
const POSTINGS = {
  v1: { title: 'the RFC of 14 August 2025 (v1)', header: { base: 'M5', dialect: 'B-onfault' } },
  late: {
    title: 'the late form, about v11 of May 2026',
    header: { base: 'M6', dialect: 'B-onfault-flags' },
  },
} as const;
