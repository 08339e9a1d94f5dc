import { type Command, Option } from 'commander';
import { count, isGiven, jobs, SEARCHES, seed, whole } from '../arguments.js';
import { exitHelp, UsageError } from '../exit-code.js';
import { pathFileOption, pathOption } from '../path-option.js';
import { shardOptions } from '../shard/shard-option.js';
import { traceFormatOption, traceOption } from '../trace/trace-option.js';
import type { CommandContext } from './daemon-commands.js';

const EXAMPLES = `
Examples:
  dmirror explore mig-unmap                             one shipped race
  dmirror explore 'fresh-onf-*' --budget 2000           many, for so long
  dmirror explore mig-unmap --witness '-2 0 0'          how it comes to that
  dmirror explore mig-unmap --diff classic unified      outcomes of one path alone; --diff 6.12 7.3 of one kernel alone
  dmirror explore mine.yaml --faults 1 --html mine.html each failure at each of its points too, and a page to read
  dmirror explore replay TOKEN --trace run.pftrace      one schedule again, for ui.perfetto.dev
  dmirror explore replay TOKEN --path unified           the same choices on another path, as far as they fit there
${exitHelp({ pass: 'complete, and nothing found', fail: 'something was found, or a condition is not met', incomplete: 'the bound or the budget ended one first, with nothing found' })}`;

/** Adds `dmirror explore`. */
export function addExplore(root: Command, { status, output }: CommandContext): void {
  shardOptions(root.command('explore'), ['list', 'witness', 'diff', 'trace'])
    .description('run small races under every schedule that can make a difference, and print what they come to')
    .argument(
      '[test...]',
      'litmus files, names or patterns; all that the package ships without. `replay TOKEN` runs one schedule again',
    )
    .option('-l, --list', 'print the names and run nothing', false)
    .addOption(pathOption(undefined, 'that of a file, of its name as conform takes it, or classic, without'))
    .addOption(pathFileOption())
    .option(
      '--profile <kernel>',
      'whose semantics the machine has: 6.12, 6.19 or 7.3; that of a file, or 6.12, without',
    )
    .option('--dialect <name>', 'the numbering that the devices are spoken to in', 'dmirror')
    .addOption(
      new Option('--strategy <name>', 'which schedules: all that differ, all, with few preemptions, or drawn ones')
        .choices(SEARCHES)
        .default('dpor'),
    )
    .option('--preemptions <n>', 'of bounded: as many at most; 2 unless given', whole(0, 100))
    .option('--depth <n>', 'of pct: the ordered steps that a bug needs; 3 unless given', whole(1, 100))
    .option('--seed <n>', 'of drawn schedules', seed, 1)
    .option('--budget <schedules>', 'schedules of one test at most', count, 20_000)
    .option(
      '--faults <n>',
      '1: also with each single failure that a test can meet, under every schedule',
      whole(0, 1),
      0,
    )
    .option(
      '-j, --jobs <n>',
      'tests, or parts of one, that run at once, which changes nothing but the time; one for each core by default',
      jobs,
    )
    .option('--allow-incomplete', 'a bound or the budget may end an exploration', false)
    .option(
      '--witness <outcome>',
      'of one test: the steps of a schedule that comes to this outcome, or to one that begins so, as columns',
    )
    .option(
      '--diff <sides...>',
      'two of PATH, PROFILE or PATH@PROFILE: outcomes that one of them alone has; what stands behind them is a test',
    )
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write a page with every outcome and the steps of its schedule')
    .addOption(traceOption('--trace <file>', '; a schedule of each finding and outcome'))
    .addOption(traceFormatOption())
    .addHelpText('after', EXAMPLES)
    .action(async (names: string[], options, command: Command) => {
      if (names[0] === 'replay') checkReplay(command);
      const { exploreCommand } = await import('./explore.js');
      status.code = await exploreCommand(names, options, output());
    });
}

/** Where a token's one schedule runs, and how it is shown. */
const OF_REPLAY: readonly string[] = ['json', 'path', 'pathFile', 'trace', 'traceFormat'];

/** What says how to explore, or of what a report is made, means nothing for one schedule. Throws UsageError. */
function checkReplay(command: Command): void {
  for (const option of command.options)
    if (isGiven(command, option) && !OF_REPLAY.includes(option.attributeName()))
      throw new UsageError(
        `'${option.long}' means nothing for replay, whose token says it`,
        'leave it out; replay takes --path, --path-file, --json, --trace and --trace-format',
      );
}
