import { Argument, type Command, Option } from 'commander';
import { DEFAULT_POLL_US } from '../../uapi/client/busy-poll.js';
import { collect, count, seed, size } from '../arguments.js';
import { exitHelp } from '../exit-code.js';
import type { Output } from '../output.js';
import { pathFileOption, pathOption } from '../path-option.js';
import { TRACE_FORMATS } from '../trace/trace-file.js';
import type { Shell } from './completion.js';

/** What the entry file hands to those that add subcommands. */
export interface CommandContext {
  readonly status: { code: number };
  readonly output: () => Output;
}

/** The subcommands around a served machine. */
export function addDaemonCommands(root: Command, context: CommandContext): void {
  addServe(root, context);
  addTrace(root, context);
  addDoctor(root, context);
  addCompletion(root, context);
}

const SERVE_EXAMPLES = `
Examples:
  dmirror serve                                     on $XDG_RUNTIME_DIR/dmirror.sock
  dmirror serve --socket /tmp/m5 --dialect M5       for programs built against Linux 6.12
  dmirror serve --dialect-file v3/test_hmm_uapi.h   for programs built against a header of a posted series
  dmirror serve --limit threads=16 --limit sessions=8

Prints the socket's path on stdout once it listens; logs go to stderr. A signal is how it ends.
${exitHelp({ pass: 'ended by SIGINT, SIGTERM or SIGHUP', usage: 'wrong usage, or the socket can not be used', signal: 'ended by another signal n, or by a second one' })}`;

function addServe(root: Command, { status, output }: CommandContext): void {
  root
    .command('serve')
    .description('serve one machine to many clients through a Unix socket')
    .option('--socket <path>', 'where to listen; $XDG_RUNTIME_DIR/dmirror.sock unless given')
    .option('--ram <size>', "the machine's RAM, as 512M or 2G", size, 2 ** 30)
    .option('--hugepages <n>', '2 MiB hugetlb pages', count, 0)
    .addOption(pathOption('classic'))
    .addOption(pathFileOption())
    .option('--profile <kernel>', 'whose semantics: 6.12, 6.19 or 7.3', '6.12')
    .option('--dialect <name>', 'numbering for sessions that name none (default: "dmirror", or that of --dialect-file)')
    .option('--dialect-file <header>', 'speak the numbering of this header too, its commands matched by name')
    .option('--name <name>', "what the header's dialect is called; its file's name unless given")
    .option('--seed <n>', "seed of the machine's randomness, and of its scheduler; without, tasks take turns", seed)
    .option('--strict', 'refuse ioctls whose number means something else in the newest dialect', false)
    .option('--bootable', 'a client that is alone may boot another machine; for test suites', false)
    .option(
      '--poll <us>',
      'microseconds to look for a request before sleeping; 0 sleeps at once',
      count,
      DEFAULT_POLL_US,
    )
    .option('--limit <name=number>', 'change a limit; may be repeated; a wrong name lists them', collect, [])
    .addOption(new Option('--child').hideHelp().default(false))
    .addOption(new Option('--log-format <format>', 'log lines on stderr').choices(['text', 'json']).default('text'))
    .addHelpText('after', SERVE_EXAMPLES)
    .action(async (options) => {
      const { serve } = await import('./serve.js');
      status.code = await serve(
        { socket: undefined, dialect: undefined, dialectFile: undefined, name: undefined, ...options },
        output(),
      );
    });
}

function addTrace(root: Command, { status, output }: CommandContext): void {
  root
    .command('trace')
    .description('watch a served machine: calls, ioctls, faults, walks, migrations, invalidations')
    .option('--socket <path>', 'whose machine; $XDG_RUNTIME_DIR/dmirror.sock unless given')
    .option('--pid <n>', 'only this process', count)
    .option('--device <n>', 'only what happens in calls on this device', count)
    .option(
      '--kind <kind>',
      'syscall, ioctl, fault, walk, migrate, stage, notifier, page, lock, unlock; may be repeated',
      collect,
      [],
    )
    .option('--json', 'one JSON object a line', false)
    .option('--format <name>', `write to stdout what other tools read: ${TRACE_FORMATS.join(', ')}`)
    .addHelpText('after', exitHelp({ pass: 'the daemon has ended' }))
    .action(async (options) => {
      const { trace } = await import('./trace.js');
      status.code = await trace(
        { format: undefined, socket: undefined, pid: undefined, device: undefined, ...options },
        output(),
      );
    });
}

function addDoctor(root: Command, { status, output }: CommandContext): void {
  root
    .command('doctor')
    .description('say what works here and what is missing')
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', exitHelp({ fail: 'something that dmirror needs is broken' }))
    .action(async (options) => {
      const { doctor } = await import('./doctor.js');
      status.code = await doctor(options, output());
    });
}

function addCompletion(root: Command, { status, output }: CommandContext): void {
  root
    .command('completion')
    .description('print a completion script: source <(dmirror completion bash)')
    .addArgument(new Argument('<shell>', 'whose script').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', exitHelp())
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.js');
      status.code = completion(root, shell, output().out);
    });
}
