import type { Command } from 'commander';
import { collect, memory, seed } from '../arguments.js';
import { exitHelp } from '../exit-code.js';
import { pathFileOption, pathOption } from '../path-option.js';
import type { CommandContext } from './daemon-commands.js';

const WHAT = 'a token, a plan, a litmus test, a case, or a program and its arguments behind --';

/** Adds `dmirror debug`, `dmirror explain` and `dmirror view`. */
export function addDebug(root: Command, { status, output }: CommandContext): void {
  whichRun(root.command('debug'))
    .description('go through a run step by step, on and back, and look at the machine as it was')
    .option('-c, --command <text>', 'a command instead of the prompt; may be repeated', collect, [])
    .option('--commands <file>', 'commands of a file, one a line; - is standard input')
    .addHelpText('after', DEBUG_EXAMPLES)
    .action(async (words: string[], options) => {
      const { debug } = await import('./debug.js');
      status.code = await debug(words, options, output());
    });
  whichRun(root.command('explain'))
    .description('a run as a text for a mail: what happened, why, the steps and the page table around it')
    .addHelpText('after', EXPLAIN_EXAMPLES)
    .action(async (words: string[], options) => {
      const { explain } = await import('./debug.js');
      status.code = await explain(words, options, output());
    });
  whichRun(root.command('view'), `${WHAT}, or a report in JSON lines`)
    .description('a page that shows the machine over time: timeline, page tables, mirrors, folios, stacks, events')
    .option('--html <file>', 'where the page goes; dmirror-view.html without')
    .option('--open', 'serve the page on 127.0.0.1 instead, until Ctrl-C', false)
    .option('--against <what>', 'a second run to compare with: a path for the same run, or a token or name')
    .addHelpText('after', VIEW_EXAMPLES)
    .action(async (words: string[], options) => {
      const { view } = await import('./view.js');
      status.code = await view(words, options, output());
    });
}

function whichRun(command: Command, what = WHAT): Command {
  return command
    .argument('<what...>', what)
    .addOption(pathOption(undefined, 'that of a litmus file, or classic, without'))
    .addOption(pathFileOption())
    .option(
      '--profile <kernel>',
      'whose semantics the machine has: 6.12, 6.19 or 7.3; that of a litmus file, or 6.12, without',
    )
    .option('--dialect <name>', 'the numbering that a program was built against; dmirror without')
    .option('--seed <n>', 'of a plan, a case or a program; 1 without', seed)
    .option('--defect <name>', 'plant a bug in a plan or a case; may be repeated', collect, [])
    .option('--witness <outcome>', 'of a litmus test: the schedule that comes to it; else one with a finding')
    .option('--machine <n>', 'of a case that boots several: which one; else the one with a finding', Number)
    .option('--max-memory <size>', 'for what is written down of the run, as 256M or 2G', memory, 2 ** 30);
}

const DEBUG_EXAMPLES = `
Examples:
  dmirror debug mig-unmap                                   a litmus test, at a prompt; help lists commands
  dmirror debug TOKEN -c 'continue entry 0 changes' -c 'print page table'
  dmirror debug slow-copy -c 'continue event inject' -c 'why entry 0'
  dmirror debug --seed 7 -- ./threads                       a program
${exitHelp({ pass: 'the commands were done' })}`;

const EXPLAIN_EXAMPLES = `
Examples:
  dmirror explain TOKEN                                     of whatever command printed it
  dmirror explain mig-unmap --witness '-2 0 0'
${exitHelp({ pass: 'nothing was found in the run', fail: 'something was found' })}`;

const VIEW_EXAMPLES = `
Examples:
  dmirror view mig-unmap --html run.html                    a litmus test
  dmirror view TOKEN --open                                 of whatever command printed it, in a browser
  dmirror view mig-unmap --against unified                  two runs, and where they differ
  dmirror fault sweep --json > sweep.json; dmirror view sweep.json    each finding of a report, with its run
${exitHelp({ pass: 'the page is made' })}`;
