import type { Command } from 'commander';
import type { PathName } from '../../uapi/path-name.js';
import { whole } from '../arguments.js';
import { exitHelp } from '../exit-code.js';
import type { Output } from '../output.js';
import { pathFileOption, pathOption } from '../path-option.js';
import { shardOptions } from '../shard/shard-option.js';

/** The subcommands of `dmirror series`. */
export function addSeries(root: Command, { status, output }: { status: { code: number }; output: () => Output }): void {
  const series = root
    .command('series')
    .description('judge a posting of the migrate-on-fault series: what it breaks, and what it saves');
  shardOptions(series.command('review'))
    .description('run all there is against a posting and print a report that can be mailed as a reply')
    .option('--posting <which>', 'v1, late, or a file of mails', 'v1')
    .addOption(pathFileOption())
    .option('--html <file>', 'also write the report as a page')
    .option('--json', 'one JSON object instead of text', false)
    .option('--junit <file>', 'also write the findings as JUnit XML')
    .option('--baseline <file>', 'a report of this command made before: says what is new and what is gone')
    .option('--sequences <n>', 'generated sequences to run: the budget', whole(1, 1_000_000), DEFAULT_SEQUENCES)
    .addHelpText('after', exitHelp({ pass: 'nothing was found', fail: 'something was found' }))
    .action(async (options) => {
      const { seriesReview } = await import('./series.js');
      status.code = await seriesReview(options, output());
    });
  series
    .command('run')
    .description('run ops in the language of the recordings, prove the machine after each, and say what must not be')
    .argument('<ops>', "the ops, with ';' between")
    .addOption(pathOption('unified'))
    .addOption(pathFileOption())
    .addHelpText('after', exitHelp({ pass: 'nothing is wrong', fail: 'something must not be' }))
    .action(async (ops: string, options: { path: PathName }) => {
      const { seriesRun } = await import('./series.js');
      status.code = seriesRun(ops, options, output());
    });
}

const DEFAULT_SEQUENCES = 400;
