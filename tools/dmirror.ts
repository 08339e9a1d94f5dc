import { Command, CommanderError, Option } from 'commander';
import type { PathName } from '../uapi/path-name.js';
import { collect, count, jobs, pointToHelp, refuseEmpty, SEARCHES, seconds, seed } from './arguments.js';
import { addAbi } from './commands/abi-command.js';
import { addCampaign } from './commands/campaign-command.js';
import { addDaemonCommands } from './commands/daemon-commands.js';
import { addDebug } from './commands/debug-command.js';
import { addExec } from './commands/exec-command.js';
import { addExplore } from './commands/explore-command.js';
import { addFault } from './commands/fault-command.js';
import { addMergeReports } from './commands/merge-command.js';
import { addSeries } from './commands/series-command.js';
import { EXIT, exitHelp, OutputError, UsageError } from './exit-code.js';
import { type Output, ProcessOutput } from './output.js';
import { packageVersion } from './package-root.js';
import { pathFileOption, pathOption, readPathFiles } from './path-option.js';
import { shardOptions, shareCommands } from './shard/shard-option.js';
import type { Share } from './shard/share.js';
import { traceFormatOption, traceOption } from './trace/trace-option.js';

/** Runs the command with `args` (without node and the script) and returns its exit status. `share` says what of its work is done here. */
export async function main(args: readonly string[], share?: Share): Promise<number> {
  const own = new ProcessOutput();
  if (share !== undefined) own.share = share;
  const status = { code: EXIT.pass as number };
  try {
    await program(status, () => own).parseAsync([...args], { from: 'user' });
    const code = own.status(status.code);
    return own.stop.isRequested ? await own.exit(code) : code;
  } catch (error) {
    if (error instanceof UsageError) {
      own.err(`error: ${error.message}\n${error.hint}`);
      return EXIT.usage;
    }
    if (error instanceof OutputError) {
      own.err(`error: ${error.message}`);
      return EXIT.output;
    }
    // commander has already written the message; help and --version arrive here with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.pass : EXIT.usage;
    throw error;
  }
}

function program(status: { code: number }, output: () => ProcessOutput): Command {
  const root = new Command('dmirror')
    .description("Linux's HMM test device and the memory management under it, in user space.")
    .version(packageVersion())
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError();
  refuseEmpty(root);
  readPathFiles(root);
  shareCommands(root, output);
  addSelftest(root, status, output);
  addBench(root, status, output);
  addAbi(root, status, output);
  addConform(root, status, output);
  addExplore(root, { status, output });
  addFault(root, status, output);
  addSeries(root, { status, output });
  addDaemonCommands(root, { status, output });
  addExec(root, { status, output });
  addDebug(root, { status, output });
  addCampaign(root, { status, output });
  addMergeReports(root, { status, output }, main);
  pointToHelp(root);
  return root;
}

function addSelftest(root: Command, status: { code: number }, output: () => Output): void {
  shardOptions(root.command('selftest'), ['list', 'explore', 'trace'])
    .description('run the HMM selftests on the emulated machine and print KTAP')
    .option('-l, --list', 'list the cases and run nothing', false)
    .option('-t, --test <glob>', 'only the cases whose full name matches; may be repeated', collect, [])
    .option('--explore <glob>', 'the cases whose full name matches, each under many schedules; what fails gets a token')
    .addOption(new Option('--strategy <name>', 'which schedules with --explore').choices(SEARCHES).default('random'))
    .option('--budget <schedules>', 'schedules of one case with --explore', count, 200)
    .option('--seed <n>', "seed of the machine's scheduler and of the cases", seed, 1)
    .addOption(pathOption())
    .addOption(pathFileOption())
    .addOption(
      new Option('--invariants <when>', "check the machine's invariants: never, over what each ioctl touched, over all")
        .choices(['off', 'touched', 'all'])
        .default('touched'),
    )
    .option('--daemon', 'start daemons and run through their sockets', false)
    .option(
      '-j, --jobs <n>',
      'with --daemon or --explore: cases that run at once; one for each core (with --daemon at most 4) by default',
      jobs,
    )
    .option('--connect <socket>', 'run through the socket of a daemon that was started with --bootable')
    .option('--dialect <name>', 'the numbering that the cases speak', 'dmirror')
    .option('--profile <kernel>', 'whose semantics the machine has: 6.12, 6.19 or 7.3', '6.12')
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as a page')
    .addOption(traceOption())
    .addOption(traceFormatOption())
    .option('--timeout <seconds>', 'wall time after which a case counts as hung', seconds, 45)
    .addHelpText('after', SELFTEST_EXAMPLES)
    .action(async (options) => {
      const { selftest } = await import('./commands/selftest.js');
      status.code = await selftest(
        { junit: undefined, path: undefined as PathName | undefined, connect: undefined, jobs: undefined, ...options },
        output(),
      );
    });
}

const SELFTEST_EXAMPLES = `
Examples:
  dmirror selftest                                  every case, on both paths
  dmirror selftest -t '*.anon_*' --path unified     some of them, on one path
  dmirror selftest --profile 7.3                    the cases about device memory in folios of 2 MiB too
  dmirror selftest --explore 'migrate_on_fault.races.*'    races under 200 schedules each
  dmirror selftest --junit results.xml              for a CI system
${exitHelp({ fail: 'a case failed', skip: 'all cases skipped' })}`;

function addBench(root: Command, status: { code: number }, output: () => Output): void {
  root
    .command('bench')
    .description('measure the machine against plain memory copies, and its CPU against qemu-user')
    .argument('[name...]', 'as --test')
    .option('-l, --list', 'list the measurements and run nothing', false)
    .option('-t, --test <glob>', 'only the measurements whose name matches; may be repeated', collect, [])
    .option('--json', 'JSON instead of a table', false)
    .option('--svg <file>', 'draw what `walks` counts instead')
    .addHelpText('after', exitHelp())
    .action(async (names: string[], options) => {
      const { bench } = await import('./commands/bench.js');
      status.code = await bench({ ...options, test: [...names, ...options.test] }, output());
    });
}

function addConform(root: Command, status: { code: number }, output: () => Output): void {
  shardOptions(root.command('conform'), ['shrink', 'trace'])
    .description('replay recordings of a real kernel and print the first differing answer of each sequence')
    .argument('[file...]', 'recordings, plain or gzip; without, all that the package ships')
    .option('--seq <id>', 'only this sequence; may be repeated', collect, [])
    .addOption(pathOption(undefined, 'overrides what the recording says; classic where it says nothing'))
    .addOption(pathFileOption())
    .option('--invariants', 'prove the whole machine consistent after every op; by default on classic and unified')
    .option('--no-invariants', 'look at answers only')
    .option('--jobs <n>', 'worker threads; one for each core by default', jobs)
    .addOption(traceOption('--trace [file]', '; without a file print it, for one sequence'))
    .addOption(traceFormatOption())
    .option('--json', 'one JSON object a line instead of text', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as a page')
    .option('--shrink <seq>', 'reduce a sequence, or family:seed, on which --path and --against differ')
    .option('--against <configuration>', 'as unified or classic,defect=writeLost')
    .addHelpText('after', CONFORM_EXAMPLES)
    .action(async (files: string[], options) => {
      const { conform } = await import('./commands/conform.js');
      status.code = await conform(files, options, output());
    });
}

const CONFORM_EXAMPLES = `
Examples:
  dmirror conform --path unified             every shipped recording
  dmirror conform --seq mix-17 --trace
  dmirror conform --seq mix-17 --trace mix-17.pftrace    for ui.perfetto.dev
  dmirror conform mine.jsonl.gz
  dmirror conform late-F-mix.jsonl.gz        recorded on a posting of the series, as its name says, or its first line {"path": "posted-late"}
  dmirror conform --shrink mix:7 --against unified    a generated sequence: a family and a seed
${exitHelp({ pass: 'every answer agrees', fail: 'some differ' })}`;
