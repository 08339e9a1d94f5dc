import { type Command, Option } from 'commander';
import { collect, count, isGiven, seconds, seed, size, whole } from '../arguments.js';
import { UsageError } from '../exit-code.js';
import { pathFileOption, pathOption } from '../path-option.js';
import { MemoryOption, shardOptions } from '../shard/shard-option.js';
import { traceFormatOption, traceOption } from '../trace/trace-option.js';
import type { CommandContext } from './daemon-commands.js';

const EXEC_EXAMPLES = `
Examples:
  dmirror exec --dialect 6.12 --hugepages 8 ./hmm-tests      a kernel selftest, built with riscv64-linux-gnu-gcc -static -O2
  dmirror exec --strace --dialect 6.12 ./hmm-tests -t anon_read
  dmirror exec --dialect 7.3 --hugepages 8 ./hmm-tests       of a newer kernel, whose semantics go with it
  dmirror exec --seed 7 ./threads                            another interleaving
  dmirror exec --schedules 1000 ./threads                    many, drawn so that each has a known chance to show a bug
  dmirror exec --suite mm --expect suite.yaml --dialect 6.12 a folder of programs, and what each should come to
  dmirror exec --invariants all ./threads                    prove page tables, counts and TLB after each call and fault

Exit status: the program's, or 4 of a selftest that ran no test; 128 + n when signal n killed it, 124 after --timeout, 125 when it hangs or the machine
breaks an invariant, 2 wrong usage, 3 an output can not be written, or --max-memory ended it, 141 stdout's reader went away. The program gets INT, TERM and HUP; a second
one ends the run with its trace and a report, whatever the program made of the first.`;

/** Adds `dmirror exec`. */
export function addExec(root: Command, { status, output }: CommandContext): void {
  const command = root
    .command('exec')
    .description('run a static RV64 Linux program on the emulated machine')
    .argument('[binary]', 'the program')
    .argument('[args...]', 'its arguments')
    .option(
      '--dialect <name>',
      'the numbering that the program was built against; a kernel version says what it means to gup_test too',
      'dmirror',
    )
    .addOption(pathOption('classic'))
    .addOption(pathFileOption())
    .option('--profile <kernel>', 'whose semantics: 6.12, 6.19 or 7.3 (default: of the kernels that the dialect is of)')
    .option('--seed <n>', "seed of the machine's scheduler and of its randomness", seed, 1)
    .option('--ram <size>', "the machine's RAM, as 512M or 2G", size, 2 ** 30)
    .option('--swap <size>', "the machine's swap", size, 0)
    .option('--hugepages <n>', '2 MiB hugetlb pages', count, 0)
    .addOption(alone('--env <name=value>', 'add to the environment; may be repeated').argParser(collect).default([]))
    .addOption(alone('--socket <path>', 'run on the machine of the daemon that listens there; its options count'))
    .addOption(traceOption().conflicts('suite'))
    .addOption(traceFormatOption())
    .addOption(alone('--strace', 'print system calls, and ioctls by name in the dialect, on stderr').default(false))
    .addOption(
      new Option(
        '--invariants <when>',
        "prove the machine's books and its TLB: never, over what each call touched, over all",
      )
        .choices(['off', 'touched', 'all'])
        .default('off'),
    )
    .addOption(tierOption())
    .option('--timeout <seconds>', 'wall time after which the program is given up', seconds)
    .addOption(
      alone(
        '--schedules <n>',
        'so many schedules of its threads, up to the first that does not end with 0; with no input and no environment but --env',
      ).argParser(whole(1, 1e9)),
    )
    .option('--syscalls', 'list the system calls that programs find, and run nothing', false)
    .option('--suite <folder>', 'run every program of a folder, each on a machine of its own, and print KTAP')
    .passThroughOptions()
    .addHelpText('after', EXEC_EXAMPLES)
    .action(async (binary: string | undefined, args: string[], options) => {
      const { exec, listSyscalls } = await import('./exec.js');
      if (options.syscalls) return listSyscalls(output().out);
      checkForm(command);
      if (options.suite !== undefined) {
        if (binary !== undefined)
          throw new UsageError('--suite runs all programs of its folder', '--only NAME takes one of them');
        const { execSuite } = await import('../exec/suite/suite.js');
        const words = suiteWords(options);
        status.code = await execSuite(options.suite, { ...options, words }, output());
        return;
      }
      if (binary === undefined) throw new UsageError('no program is named', 'dmirror exec [options] BINARY [ARGS]');
      const none = {
        trace: undefined,
        timeout: undefined,
        socket: undefined,
        profile: undefined,
        schedules: undefined,
      };
      status.code = await exec(binary, args, { ...none, ...options }, output());
    });
  suiteOptions(command);
}

function suiteOptions(command: Command): void {
  command
    .optionsGroup('With --suite:')
    .option('--expect <file>', 'a YAML list of runs with their needs and what each should come to')
    .option('--only <program>', 'this program; may be repeated', collect, [])
    .option('--jobs <n>', 'so many at a time (default: as many as there are cores)', whole(1, 1024))
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'JUnit XML as well')
    .option('--html <file>', 'a page as well')
    .addOption(formatOption());
  shardOptions(command, ['syscalls']);
}

/** Of one program. */
function alone(flags: string, description: string): Option {
  return new Option(flags, description).conflicts('suite');
}

/** What is of a suite means nothing for one program. Throws UsageError. */
function checkForm(command: Command): void {
  const { suite, schedules } = command.opts();
  if (suite !== undefined) return;
  for (const option of command.options) {
    if (!isGiven(command, option)) continue;
    const isMemory = option instanceof MemoryOption;
    if ((isMemory && schedules !== undefined) || option.helpGroupHeading === undefined) continue;
    throw new UsageError(
      `option '${option.long}' is of --suite${isMemory ? ' and --schedules' : ''}`,
      'See `dmirror exec --help`.',
    );
  }
}

function tierOption(): Option {
  return new Option(
    '--tier <name>',
    'interpret every instruction, or compile what is hot: the same happens, only faster',
  )
    .choices(['interp', 'wasm'])
    .default('wasm');
}

function formatOption(): Option {
  return new Option('--format <name>', 'KTAP, or the rows of a table').choices(['ktap', 'markdown']).default('ktap');
}

/** What of the options holds for every program of a suite, as words of a command. */
function suiteWords(options: Record<string, string | number | undefined>): string[] {
  const names = ['dialect', 'path', 'profile', 'seed', 'ram', 'swap', 'hugepages', 'invariants', 'tier', 'timeout'];
  // No swap is what is taken without a word.
  const given = names.filter((name) => options[name] !== undefined && (name !== 'swap' || options.swap !== 0));
  return given.flatMap((name) => [`--${name}`, String(options[name])]);
}
