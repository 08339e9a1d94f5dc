import { type Command, Option } from 'commander';
import { TARGET_NAMES } from '../abi/c/target.js';
import { exitHelp } from '../exit-code.js';
import type { Output } from '../output.js';

interface Ending {
  code: number;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** Declares `dmirror abi` and its subcommands; what they do is loaded when one runs. */
export function addAbi(root: Command, status: Ending, output: () => Output): void {
  const abi = root
    .command('abi')
    .description('show and compare the numberings of the test device, or of any ioctl header')
    .showHelpAfterError('See `dmirror abi --help`.');
  addShow(abi, status, output);
  addCheck(abi, status, output);
  addMatrix(abi, status, output);
  addName(abi, status, output);
  addHistory(abi, status, output);
}

/** How headers are found and read; the same for all that read some. */
function withHeaderOptions(command: Command): Command {
  return command
    .option('-I, --include <folder>', 'where included headers are looked up; may be repeated', collect, [])
    .option('--git <folder>', 'the tree in which REV:path names a header')
    .addOption(new Option('--target <name>', 'whose layout rules to use').choices(TARGET_NAMES).default('x86_64'))
    .option('--skip <macro>', 'leave this macro of a header out; may be repeated', collect, []);
}

function addShow(abi: Command, status: Ending, output: () => Output): void {
  withHeaderOptions(
    abi
      .command('show')
      .addHelpText('after', exitHelp())
      .argument('<abi>', 'a dialect, a kernel version, a header, or REV:path'),
  )
    .description('print commands, records and constants')
    .option('--json', 'one JSON object', false)
    .action(async (spec: string, options) => {
      const { abiShow } = await import('./abi.js');
      status.code = await abiShow(spec, options, output());
    });
}

function addCheck(abi: Command, status: Ending, output: () => Output): void {
  withHeaderOptions(
    abi.command('check').argument('<old>', 'what clients were built for').argument('[new]', 'what the kernel speaks'),
  )
    .description('say what a change of numbers, records and constants does to clients')
    .option('--patch <file>', 'NEW is OLD with this patch mail or mbox; - is standard input')
    .option('--path <path>', "the header's path in the patch")
    .option('--rename <a=b>', 'two names of one thing; may be repeated', collect, [])
    .option('--fail-on <classes>', 'what makes the status 1: classes with commas between, any, or none')
    .option('--suppress <file>', 'known findings, each with its reason')
    .addOption(new Option('--json', 'one JSON object a finding').conflicts(['sarif', 'markdown']))
    .addOption(new Option('--sarif', 'SARIF 2.1.0').conflicts('markdown'))
    .option('--markdown', 'text for a review mail')
    .addHelpText('after', CHECK_EXAMPLES)
    .action(async (old: string, newer: string | undefined, options) => {
      if (options.patch || [old, newer].some((spec) => spec !== undefined && /[/:]|\.h$/.test(spec))) startParser();
      const { abiCheck } = await import('./abi.js');
      const format = options.json ? 'json' : options.sarif ? 'sarif' : options.markdown ? 'markdown' : 'text';
      status.code = await abiCheck({ old, new: newer }, { ...options, format }, output());
    });
}

/** The grammar compiles beside the loading of what will use it. Whoever parses first sees a failure. */
function startParser(): void {
  import('../abi/c/grammar.js').then(({ cParser }) => cParser()).catch(() => {});
}

const CHECK_EXAMPLES = `
Examples:
  dmirror abi check 6.12 B-onfault                        two dialects
  dmirror abi check 6.12 --patch series.mbox              a posted series, before it is applied
  dmirror abi check v6.1:lib/test_hmm_uapi.h HEAD:lib/test_hmm_uapi.h --git ~/linux

${exitHelp({ pass: 'compatible', fail: 'a break', usage: "wrong usage, or a header that can't be read" })}`;

function addMatrix(abi: Command, status: Ending, output: () => Output): void {
  abi
    .command('matrix')
    .addHelpText('after', exitHelp())
    .argument('[dialects...]', 'all of them when none is named')
    .description("run each dialect's client on each dialect's device and show the first wrong effect")
    .option('--html <file>', 'write a page that needs nothing else')
    .option('--json', 'one JSON object a cell', false)
    .action(async (ids: string[], options) => {
      const { abiMatrix } = await import('./abi.js');
      status.code = await abiMatrix(ids, options, output());
    });
}

function addName(abi: Command, status: Ending, output: () => Output): void {
  abi
    .command('name')
    .addHelpText('after', exitHelp())
    .argument('<value>', 'an ioctl number, as a trace shows it')
    .description('say which command a number is, in each dialect')
    .option('--dialect <name>', 'in this one only')
    .action(async (value: string, options) => {
      const { abiName } = await import('./abi.js');
      status.code = abiName(value, options, output());
    });
}

function addHistory(abi: Command, status: Ending, output: () => Output): void {
  abi
    .command('history')
    .addHelpText('after', exitHelp())
    .argument('[value]', 'of this number only')
    .description('print what each number ever meant, and what that does to the buffer')
    .option('--json', 'one JSON object a number', false)
    .action(async (value: string | undefined, options) => {
      const { abiHistory } = await import('./abi.js');
      status.code = abiHistory(value, options, output());
    });
}
