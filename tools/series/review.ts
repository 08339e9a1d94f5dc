import { inProcess, MachinePool } from '../../index.js';
import { type WalkRow, walkTable } from '../../tests/bench/walks.js';
import { readRecordingFile } from '../../tests/conform/recording.js';
import { Replayer } from '../../tests/conform/replay.js';
import { allCases } from '../../tests/selftests/index.js';
import { dialectByName, dialectIds } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { DEFAULT_TARGET } from '../abi/c/target.js';
import { checkPair } from '../abi/check.js';
import { effectLines } from '../abi/report/report-text.js';
import { casesByName } from '../fault/sweep/cases.js';
import { Sweeper } from '../fault/sweep/sweep-job.js';
import type { Output } from '../output.js';
import { shippedFiles } from '../package-root.js';
import { runCase } from '../report/runner.js';
import { type Hunted, hunt, sequencesOf } from './hunt.js';
import { onFaultTests, type RaceHunted, races } from './races.js';

/** What is reviewed: a path of this package, maybe with properties of one's own, and the header that goes with it. */
export interface Posting {
  readonly title: string;
  readonly path: PathName;
  /** Mails whose patches make the header, or the numbering of the postings; null: it changes none. */
  readonly header: { readonly mbox: string } | 'posted' | null;
  /** What names it on a command line. */
  readonly option: string;
  /** What the mail tells by itself. */
  readonly told: readonly string[];
}

interface AbiBreak {
  /** A released numbering. */
  readonly old: string;
  readonly breaks: number;
  readonly silent: readonly string[];
}

export interface Review {
  readonly posting: Posting;
  readonly abi: readonly AbiBreak[];
  readonly selftests: { readonly kernel: Suite; readonly own: Suite } | null;
  readonly recordings: {
    readonly sequences: number;
    readonly differing: readonly string[];
    readonly file: string;
  } | null;
  readonly sweep: { readonly runs: number; readonly findings: readonly { token: string; message: string }[] } | null;
  readonly sequences: number;
  readonly findings: readonly Hunted[];
  readonly races: readonly RaceHunted[];
  readonly walks: readonly WalkRow[];
  readonly isInterrupted: boolean;
}

/** How cases of the suite ended. */
interface Suite {
  passed: number;
  readonly failed: { readonly name: string; readonly message: string }[];
}

/** Numbering of both postings. */
const POSTED_HEADER = 'B-onfault';
/** Short stories whose every fault point is failed in turn. */
const SWEPT_CASES = [
  'migrate_on_fault.rows.present',
  'migrate_on_fault.rows.swap',
  'migrate_on_fault.reviews.one_of_each',
];
const RACE_BUDGET = { schedules: 150, repaired: 3_000 };
const CASE_TIMEOUT_MS = 45_000;

/** Does it all, as far as `sequences` generated sequences go, until it is told to stop. */
export async function review(
  posting: Posting,
  { sequences, output }: { sequences: number; output: Output },
): Promise<Review> {
  const { stop, progress } = output;
  stop.watch();
  const step = (name: string, done = 0): void =>
    progress.update({ done, total: sequences, failed: findings.length, name });
  const findings: Hunted[] = [];
  step('the header');
  const abi = await abiBreaks(posting);
  step('selftests');
  const selftests = (await stop.look()) ? null : await selftestsOn(posting.path, output);
  step('recordings');
  const recordings = (await stop.look()) ? null : replayed(posting);
  step('fault sweep');
  const sweep = (await stop.look()) ? null : await swept(posting.path);
  const raced = await explored(posting.path, output);
  let done = 0;
  let last = '';
  for (const found of hunt(posting.path, sequencesOf(sequences))) {
    if (found === null) done++;
    else findings.push(found);
    if (found !== null) last = found.cures[0]?.name ?? '';
    step(`sequences${last && `, last found: ${last}`}`, done);
    if (done % 8 === 0 && (await stop.look())) break;
  }
  progress.clear();
  return {
    posting,
    abi,
    selftests,
    recordings,
    sweep,
    sequences: done,
    findings,
    races: raced,
    walks: walkTable([posting.path]),
    isInterrupted: stop.isRequested,
  };
}

/** The call against everything that the litmus library has beside it. Nothing where that was interrupted. */
async function explored(path: PathName, { stop, progress }: Output): Promise<readonly RaceHunted[]> {
  const total = onFaultTests().length;
  const run = races(path, RACE_BUDGET);
  for (;;) {
    const { done, value } = run.next();
    if (done) return value;
    progress.update({ done: value, total, failed: 0, name: 'races' });
    if (await stop.look()) return [];
  }
}

/** Against each numbering that Linux has released. */
async function abiBreaks({ header }: Posting): Promise<AbiBreak[]> {
  if (header === null) return [];
  const released = dialectIds().filter((id) => dialectByName(id)!.title.startsWith('Linux'));
  const breaks: AbiBreak[] = [];
  for (const old of released) {
    const base = { old: {}, renames: [], targets: [DEFAULT_TARGET], new: {} };
    const { findings } =
      header === 'posted'
        ? await checkPair({ old, new: POSTED_HEADER }, base)
        : await checkPair({ old, new: undefined }, { ...base, patched: await patchedBy(header.mbox, old) });
    const silent = findings.filter((finding) => finding.class === 'silent-alias').flatMap(effectLines);
    const { title = old } = dialectByName(old)!;
    breaks.push({
      old: title,
      breaks: findings.filter(({ class: of }) => ['silent-alias', 'removed', 'renumbered'].includes(of)).length,
      silent,
    });
  }
  return breaks;
}

async function patchedBy(mbox: string, old: string) {
  const { loadPatched } = await import('../abi/load/load-patched.js');
  return (options: Parameters<typeof loadPatched>[2]) => loadPatched(old, mbox, options);
}

async function selftestsOn(path: PathName, { now, stop }: Output): Promise<Review['selftests']> {
  const pool = new MachinePool();
  const suites = { kernel: emptySuite(), own: emptySuite() };
  // A case that fails half way leaves calls behind whose errors nobody waits for, some until after its run.
  process.on('unhandledRejection', () => {});
  for (const testCase of allCases()) {
    if (await stop.look()) break;
    const boot = (own: object) => inProcess({ checkInvariants: 'touched', dialect: 'dmirror', ...own }, pool);
    const result = await runCase(testCase, { seed: 1, path, boot, timeoutMs: CASE_TIMEOUT_MS, now });
    const suite = /^hmm|^migrate_on_fault\.migrate/.test(result.name) ? suites.kernel : suites.own;
    if (result.status === 'pass') suite.passed++;
    if (result.status === 'fail')
      suite.failed.push({ name: result.name, message: (result.message ?? '').split('\n')[0]! });
  }
  return suites;
}

function emptySuite(): Suite {
  return { passed: 0, failed: [] };
}

/** What a kernel with the posting answered, where that was recorded. */
function replayed({ path }: Posting): Review['recordings'] {
  for (const file of shippedFiles('tests/conform/recordings', '-series.jsonl.gz')) {
    const { path: recorded, sequences } = readRecordingFile(file);
    if (recorded !== path) continue;
    const replayer = new Replayer({ path });
    const differing = sequences.filter((sequence) => replayer.replay(sequence) !== null).map(({ seq }) => seq);
    return { sequences: sequences.length, differing, file };
  }
  return null;
}

async function swept(path: PathName): Promise<Review['sweep']> {
  const options = {
    profile: '6.12',
    seed: 1,
    pages: 8,
    rounds: 1,
    all: false,
    pairs: 0,
    defects: [],
    first: true,
  } as const;
  const sweeper = new Sweeper(casesByName(options.profile), options);
  const findings: { token: string; message: string }[] = [];
  let runs = 0;
  for (const name of SWEPT_CASES) {
    const found = await sweeper.run({ name, path });
    runs += found.runs;
    for (const { token, message } of found.findings) findings.push({ token, message });
  }
  return { runs, findings };
}

/** The paths that `--posting` names. */
export function postingNamed(name: 'v1' | 'late'): Posting {
  const path: PathName = `posted-${name}`;
  const title = name === 'v1' ? 'the RFC of 14 August 2025 (v1)' : 'the late form, about v11 of May 2026';
  return { title, path, header: 'posted', option: `--path ${path}`, told: [] };
}
