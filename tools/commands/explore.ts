import type { StrategyName } from '../../driver/explore/index.js';
import { DEFAULT_PROFILE, profileByName } from '../../driver/mm/profile.js';
import { DEFAULT_PATH, type PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { HowExplored } from '../explore/explore-report.js';
import { type ExploreRunOptions, exploreAll, exploreDiff, witnessToken } from '../explore/explore-run.js';
import type { ExploreTask } from '../explore/explore-worker.js';
import type { Litmus } from '../explore/litmus-file.js';
import { saidPaths } from '../explore/said-paths.js';
import { isLinesFile, namedTests } from '../explore/shipped-tests.js';
import { witnessLines, witnessOf } from '../explore/witness.js';
import { shellWords } from '../glob.js';
import { dialectOption, profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { pathNamed } from '../path-option.js';
import { openTrace } from '../trace/trace-option.js';
import { replay } from './replay.js';

export interface ExploreCommandOptions extends ExploreRunOptions {
  readonly list: boolean;
  /** Instead of the one in the file, as the profile. */
  readonly path?: PathName | undefined;
  readonly profile?: string | undefined;
  readonly dialect: string;
  readonly strategy: StrategyName;
  readonly preemptions?: number | undefined;
  readonly depth?: number | undefined;
  readonly seed: number;
  readonly budget: number;
  readonly faults: number;
  readonly witness?: string | undefined;
  /** Two of `PATH`, `PROFILE` and `PATH@PROFILE`, and tests that stand behind them. */
  readonly diff?: readonly string[] | undefined;
}

/** Forms of the command that print something else, and what they do not make. */
const FORMS = [
  ['witness', ['diff', 'json', 'html', 'junit']],
  ['diff', ['html', 'junit']],
] as const;

/** Runs litmus tests under every schedule that can make a difference, and prints what they come to. The exit status. */
export async function exploreCommand(
  names: readonly string[],
  options: ExploreCommandOptions,
  output: Output,
): Promise<number> {
  if (names[0] === 'replay') return await replay(names.slice(1), options, output);
  if (options.trace !== undefined && (options.list || options.diff !== undefined))
    throw new UsageError('--trace is of what is explored or replayed', 'leave it out with --list and --diff');
  for (const [option, others] of FORMS)
    for (const other of others)
      if (options[option] !== undefined && ![undefined, false].includes(options[other] as false))
        throw new UsageError(`--${option} makes no --${other}`, 'leave one of them out');
  const { diff: [a, b, ...more] = [] } = options;
  // `--diff` takes all words behind it.
  const tests = namedTests([...names, ...more]);
  if (options.list) {
    for (const { name } of tests) output.out(name);
    return EXIT.pass;
  }
  const asked = askedOf(options);
  if (options.diff !== undefined) {
    if (a === undefined || b === undefined)
      throw new UsageError(
        '--diff takes two sides',
        'as --diff classic unified, --diff 6.12 7.3, or unified@6.12 unified@7.3',
      );
    const [ours, theirs] = [machineOf(a), machineOf(b)];
    if (options.path !== undefined && (ours.path ?? theirs.path) !== undefined)
      throw new UsageError('--diff names the paths itself', 'leave out --path and --path-file');
    const pairs = tests.map(
      (test) => [taskOf(test, { ...asked, ...ours }), taskOf(test, { ...asked, ...theirs })] as const,
    );
    return await exploreDiff(pairs, { ...options, sides: [a, b] }, output);
  }
  if (options.path === undefined) saidPaths(names.filter(isLinesFile), output);
  const tasks = tests.map((test) => taskOf(test, asked));
  if (options.witness !== undefined) {
    const words = await witnessToken(tasks, { jobs: options.jobs, wanted: options.witness }, output);
    const trace = openTrace(options);
    for (const line of [...witnessLines(witnessOf(words, { trace })), shellWords(words)]) output.out(line);
    trace?.end();
    return EXIT.pass;
  }
  return await exploreAll(tasks, options, output);
}

/** How it is explored, as far as the command line says. */
type Asked = Omit<HowExplored, 'path' | 'profile'> & Pick<ExploreCommandOptions, 'path' | 'profile'>;

/** What is asked for comes before what the test says of its machine. */
function taskOf(test: Litmus, asked: Asked): ExploreTask {
  const { path = test.path ?? DEFAULT_PATH, profile = test.profile ?? DEFAULT_PROFILE.name } = asked;
  return { test, how: { ...asked, path, profile: profileOption(profile) } };
}

function askedOf(options: ExploreCommandOptions): Asked {
  const { path, dialect, strategy, preemptions, depth, seed, budget, faults } = options;
  for (const [option, value, of] of [
    ['--preemptions', preemptions, 'bounded'],
    ['--depth', depth, 'pct'],
  ] as const)
    if (value !== undefined && strategy !== of)
      throw new UsageError(`${option} is of --strategy ${of}`, `leave it out, or add --strategy ${of}`);
  return {
    path,
    profile: options.profile === undefined ? undefined : profileOption(options.profile),
    dialect: dialectOption(dialect).id,
    strategy,
    seed,
    budget,
    faults,
    isChecked: true,
    ...(preemptions === undefined ? {} : { preemptions }),
    ...(depth === undefined ? {} : { depth }),
  };
}

/** A side of `--diff`. What it does not say it leaves to the command line, or to the test. */
function machineOf(side: string): Pick<Asked, 'path' | 'profile'> {
  if (profileByName(side) !== undefined) return { profile: profileOption(side) };
  const [path, profile, ...more] = side.split('@');
  if (more.length > 0) throw new UsageError(`'${side}' has two profiles`, 'a side is PATH, PROFILE or PATH@PROFILE');
  return { path: pathNamed(path), ...(profile === undefined ? {} : { profile: profileOption(profile) }) };
}
