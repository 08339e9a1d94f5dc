import type { Command } from 'commander';
import { EXIT, exitHelp, UsageError } from '../exit-code.js';
import { checkRecorded } from '../shard/shard-option.js';
import { MergedShare, type Share } from '../shard/share.js';
import type { CommandContext } from './daemon-commands.js';

interface MergeOptions {
  readonly json: boolean;
  readonly junit?: string;
  readonly html?: string;
  readonly baseline?: string;
  readonly partial: boolean;
  readonly measure?: string;
}

/** Runs dmirror with these words, for a share of the work. */
type Run = (words: readonly string[], share: Share) => Promise<number>;

/** Adds `dmirror merge-reports`. */
export function addMergeReports(root: Command, { status, output }: CommandContext, run: Run): void {
  root
    .command('merge-reports')
    .description('make one report of the blobs that all shards of a command wrote, as if it had run at once')
    .argument('<dir>', 'the folder that has them')
    .option('--json', "as the command's own --json", false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as a page')
    .option('--baseline <file>', 'of a series review: a report made before; says what is new and what is gone')
    .option('--partial', 'report on what is there where shards are missing', false)
    .option('--measure <file>', 'write what the units took, for --costs')
    .addHelpText(
      'after',
      exitHelp({
        pass: 'the status is that of the command',
        fail: 'something failed in a shard',
        usage: 'a shard is missing, or the blobs are not of one run',
        incomplete: 'with --partial: shards are missing',
      }),
    )
    .action(async (folder: string, options: MergeOptions) => {
      const { mergeBlobs } = await import('../shard/merge.js');
      const { units, results, lacking, command } = mergeBlobs(folder);
      checkRecorded(root, command);
      if (lacking.length > 0 && !options.partial)
        throw new UsageError(lacking.join('\n'), 'bring its blob, or --partial to report on the rest');
      if (options.baseline !== undefined && command.name !== 'series review')
        throw new UsageError(
          `--baseline is of a series review, and these are blobs of ${command.name}`,
          'leave it out',
        );
      if (options.measure !== undefined) {
        const { costsText } = await import('../shard/costs.js');
        output().file('--measure', options.measure).write(costsText(command.name, results));
      }
      const share = new MergedShare(new Map(results.map(({ name, result }) => [name, result])), {
        units,
        isPartial: options.partial,
      });
      const code = await run(
        // As a shard, so that what is no form of one is refused.
        [...command.name.split(' '), '--shard=1/1', ...command.options, ...reportWords(options), '--', ...command.args],
        share,
      );
      for (const line of lacking) output().err(line);
      status.code = lacking.length > 0 && code === EXIT.pass ? EXIT.incomplete : code;
    });
}

function reportWords({ json, junit, html, baseline }: MergeOptions): string[] {
  return [
    ...(baseline === undefined ? [] : [`--baseline=${baseline}`]),
    ...(json ? ['--json'] : []),
    ...(junit === undefined ? [] : [`--junit=${junit}`]),
    ...(html === undefined ? [] : [`--html=${html}`]),
  ];
}
