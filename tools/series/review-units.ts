// The parts of a review that need nothing of each other, so that several processes can share them.

import { inProcess, MachinePool } from '../../index.js';
import { readRecordingFile } from '../../tests/conform/recording.js';
import { Replayer } from '../../tests/conform/replay.js';
import { allCases } from '../../tests/selftests/index.js';
import { dialectByName, dialectIds } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { DEFAULT_TARGET } from '../abi/c/target.js';
import { checkPair } from '../abi/check.js';
import { type Finding, isBreak } from '../abi/compare/finding.js';
import type { LoadOptions } from '../abi/load/load.js';
import { loadPatched } from '../abi/load/load-patched.js';
import { effectLines } from '../abi/report/report-text.js';
import type { Litmus } from '../explore/litmus-file.js';
import { shippedFiles } from '../package-root.js';
import { type CaseResult, runCase } from '../report/runner.js';
import { type Generated, scan, sequencesOf } from './hunt.js';
import type { Drawn, RaceHunt } from './races.js';
import type { Posting } from './review.js';
import { SWEPT_CASES, type Swept, sweepHunt } from './sweep-hunt.js';

interface AbiBreak {
  /** A released numbering, as `abi check` takes it, and what it is. */
  readonly numbering: string;
  readonly old: string;
  readonly breaks: number;
  /** Those that the header which the posting was made for does not have. */
  readonly own: number;
  /** What clients get where no caller gets an error. */
  readonly silent: readonly string[];
  /** The other breaks. */
  readonly errors: readonly string[];
}

/** What each kind of part comes to. */
export interface UnitResults {
  readonly header: readonly AbiBreak[];
  readonly selftest: CaseResult;
  /** What a kernel with the posting answered, where that was recorded. */
  readonly recordings: {
    readonly sequences: number;
    readonly differing: readonly string[];
    readonly file: string;
  } | null;
  readonly sweep: Swept;
  readonly race: { readonly test: string; readonly drawn: readonly Drawn[] };
  readonly sequences: { readonly count: number; readonly seen: readonly Generated[] };
}
type Kind = keyof UnitResults;

/** One part. */
export interface Unit {
  readonly kind: Kind;
  readonly name: string;
  run(): Promise<UnitResults[Kind]> | UnitResults[Kind];
}

const CASE_TIMEOUT_MS = 45_000;
/** Sequences of one part. */
const AT_ONCE = 8;

/** All parts, in the order of the report. */
export function unitsOf(
  posting: Posting,
  { sequences, races, tests, now }: { sequences: number; races: RaceHunt; tests: readonly Litmus[]; now: () => number },
): Unit[] {
  const { path } = posting;
  const generated = [...sequencesOf(sequences)];
  const parts = Array.from({ length: Math.ceil(sequences / AT_ONCE) }, (_, i) =>
    generated.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
  );
  const scanned = scan(path);
  return [
    { kind: 'header', name: 'header', run: () => abiBreaks(posting) },
    ...selftestUnits(path, now),
    { kind: 'recordings', name: 'recordings', run: () => replayed(posting) },
    ...SWEPT_CASES.map((name): Unit => ({ kind: 'sweep', name: `sweep ${name}`, run: () => sweepHunt(path, name) })),
    ...tests.map(
      (test): Unit => ({
        kind: 'race',
        name: `race ${test.name}`,
        run: () => ({ test: test.name, drawn: races.draw(test) }),
      }),
    ),
    ...parts.map(
      (part, i): Unit => ({
        kind: 'sequences',
        name: `sequences ${i * AT_ONCE + 1}-${i * AT_ONCE + part.length}`,
        run: () => ({ count: part.length, seen: scanned(part) }),
      }),
    ),
  ];
}

/** From the newest on. */
export function releasedNumberings(): string[] {
  return dialectIds()
    .filter((id) => dialectByName(id)!.title.startsWith('Linux'))
    .reverse();
}

/** Against each numbering that Linux has released. */
async function abiBreaks({ header }: Posting): Promise<AbiBreak[]> {
  if (header === null) return [];
  const { base, dialect, mbox } = header;
  const breaksOf = async (old: string, now: string, patches?: string): Promise<Finding[]> => {
    const options = { old: {}, renames: [], targets: [DEFAULT_TARGET], new: {} };
    const patched = (more: LoadOptions) => loadPatched(now, patches!, more);
    const { findings } = await checkPair({ old, new: now }, { ...options, ...(patches !== undefined && { patched }) });
    return findings.filter(isBreak);
  };
  const breaks: AbiBreak[] = [];
  for (const numbering of releasedNumberings()) {
    const found = await breaksOf(numbering, dialect ?? base, mbox);
    const known = new Set((await breaksOf(numbering, base)).map(({ message }) => message));
    const textsOf = (isSilent: boolean): string[] =>
      found
        .filter((finding) => (finding.class === 'silent-alias') === isSilent)
        .flatMap((finding) => (finding.oldClient || finding.newClient ? effectLines(finding) : [finding.message]));
    breaks.push({
      numbering,
      old: dialectByName(numbering)!.title,
      breaks: found.length,
      own: found.filter(({ message }) => !known.has(message)).length,
      silent: textsOf(true),
      errors: textsOf(false),
    });
  }
  return breaks;
}

function selftestUnits(path: PathName, now: () => number): Unit[] {
  const pool = new MachinePool();
  const boot = (own: object) => inProcess({ checkInvariants: 'touched', dialect: 'dmirror', ...own }, pool);
  return allCases().map((testCase) => ({
    kind: 'selftest',
    name: `selftest ${testCase.name}`,
    run: () => runCase(testCase, { seed: 1, path, boot, timeoutMs: CASE_TIMEOUT_MS, now }),
  }));
}

function replayed({ path }: Posting): UnitResults['recordings'] {
  for (const file of shippedFiles('tests/conform/recordings', '-series.jsonl.gz')) {
    const { path: recorded, sequences } = readRecordingFile(file);
    if (recorded !== path) continue;
    const replayer = new Replayer({ path });
    const differing = sequences.filter((sequence) => replayer.replay(sequence) !== null).map(({ seq }) => seq);
    return { sequences: sequences.length, differing, file };
  }
  return null;
}
