import type { StrategyName } from '../../driver/explore/index.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { HowExplored } from '../explore/explore-report.js';
import { type ExploreRunOptions, exploreAll, exploreDiff, witnessToken } from '../explore/explore-run.js';
import { litmusPath } from '../explore/litmus-path.js';
import { namedTests } from '../explore/shipped-tests.js';
import { witnessLines, witnessOf } from '../explore/witness.js';
import { dialectOption, profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { pathNamed } from '../path-option.js';
import { openTrace } from '../trace/trace-option.js';
import { replay } from './replay.js';

export interface ExploreCommandOptions extends ExploreRunOptions {
  readonly list: boolean;
  readonly path?: PathName | undefined;
  readonly profile: string;
  readonly dialect: string;
  readonly strategy: StrategyName;
  readonly preemptions?: number | undefined;
  readonly depth?: number | undefined;
  readonly seed: number;
  readonly budget: number;
  readonly faults: number;
  readonly witness?: string | undefined;
  /** Two of `PATH[@PROFILE]`. */
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
  const tests = namedTests(names);
  if (options.list) {
    for (const { name } of tests) output.out(name);
    return EXIT.pass;
  }
  const files = names.filter((name) => name.endsWith('.jsonl'));
  const how = howOf({ ...options, path: options.path ?? litmusPath(files, output) });
  if (options.witness !== undefined) {
    const token = await witnessToken(tests, { how, jobs: options.jobs, wanted: options.witness }, output);
    const trace = openTrace(options);
    for (const line of [...witnessLines(witnessOf(token, trace)), token]) output.out(line);
    trace?.end();
    return EXIT.pass;
  }
  if (options.diff !== undefined) {
    const { diff: sides } = options;
    const [a, b] = twoMachines(sides, how);
    const tasks = tests.map(
      (test) =>
        [
          { test, how: { ...how, ...a } },
          { test, how: { ...how, ...b } },
        ] as const,
    );
    return await exploreDiff(tasks, { ...options, sides }, output);
  }
  return await exploreAll(
    tests.map((test) => ({ test, how })),
    { ...options, ...how },
    output,
  );
}

function howOf(options: ExploreCommandOptions & { readonly path: PathName }): HowExplored {
  const { path, dialect, strategy, preemptions, depth, seed, budget, faults } = options;
  for (const [option, value, of] of [
    ['--preemptions', preemptions, 'bounded'],
    ['--depth', depth, 'pct'],
  ] as const)
    if (value !== undefined && strategy !== of)
      throw new UsageError(`${option} is of --strategy ${of}`, `leave it out, or add --strategy ${of}`);
  return {
    path,
    profile: profileOption(options.profile),
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

function twoMachines(sides: readonly string[], how: HowExplored): Pick<HowExplored, 'path' | 'profile'>[] {
  if (sides.length !== 2)
    throw new UsageError('--diff takes two sides', 'as --diff classic unified, or unified@6.12 unified@7.3');
  return sides.map((side) => {
    const [path, profile = how.profile] = side.split('@');
    return { path: pathNamed(path), profile: profileOption(profile) };
  });
}
