import { type Command, Option } from 'commander';
import { TARGET_NAMES } from '../abi/c/target.js';
import { CLASS_NAMES, CLASSES } from '../abi/compare/finding.js';
import { collect } from '../arguments.js';
import { exitHelp } from '../exit-code.js';
import type { Output } from '../output.js';

interface Ending {
  code: number;
}

/** Declares `dmirror abi` and its subcommands; what they do is loaded when one runs. */
export function addAbi(root: Command, status: Ending, output: () => Output): void {
  const abi = root
    .command('abi')
    .description('show and compare the numberings of the test device, or of any ioctl header');
  addShow(abi, status, output);
  addCheck(abi, status, output);
  addMatrix(abi, status, output);
  addName(abi, status, output);
  addHistory(abi, status, output);
}

/** How headers are found and read; the same for all that read some. */
function withHeaderOptions(command: Command): Command {
  return command
    .option(
      '-I, --include <folder>',
      "where included headers are looked up, before the tree's own folder; may be repeated",
      collect,
      [],
    )
    .option('--git <folder>', 'the tree in which REV:path names a header')
    .addOption(new Option('--target <name>', 'whose layout rules to use').choices(TARGET_NAMES).default('x86_64'))
    .option('--targets <names>', 'several, with commas between: what differs among them, or in one of them')
    .option('--skip <glob>', 'leave macros of this name out; may be repeated', collect, []);
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
      const { abiShow } = await import('./abi-check.js');
      status.code = await abiShow(spec, options, output());
    });
}

function addCheck(abi: Command, status: Ending, output: () => Output): void {
  withHeaderOptions(
    abi
      .command('check')
      .argument('<old>', 'what clients were built for: a dialect, a header, REV:path, or a folder of headers')
      .argument('[new]', 'what the kernel speaks'),
  )
    .description('say what a change of numbers, records and constants does to clients')
    .option('--include-old <folder>', 'as -I, for OLD alone', collect, [])
    .option('--include-new <folder>', 'as -I, for NEW alone', collect, [])
    .option('--patch <file>', 'NEW is OLD with this patch mail or mbox; - is standard input')
    .option('--base <abi>', 'what the patch was made for, where that is not OLD')
    .option('--path <path>', "the header's path in the patch")
    .option('--rename <a=b>', 'two names of one thing; may be repeated', collect, [])
    .option('--fail-on <classes>', 'what makes the status 1: classes with commas between, any, or none')
    .option('--suppress <file>', 'known findings, each with its reason')
    .option('--write-suppressions <file>', 'write one of what fails, for reasons to be filled in')
    .addOption(new Option('--format <name>', 'how to print').choices(FORMATS).default('text'))
    .addOption(new Option('--json', 'one JSON object a finding: --format json').implies({ format: 'json' }))
    .addOption(new Option('--sarif', 'SARIF 2.1.0: --format sarif').implies({ format: 'sarif' }))
    .addOption(new Option('--markdown', 'text for a review mail: --format markdown').implies({ format: 'markdown' }))
    .addHelpText('after', () => checkHelp())
    .action(async (old: string, newer: string | undefined, options) => {
      const { abiCheck } = await import('./abi-check.js');
      status.code = await abiCheck({ old, new: newer }, options, output());
    });
}

const FORMATS = ['text', 'json', 'sarif', 'markdown', 'github'];

function checkHelp(): string {
  const width = Math.max(...CLASS_NAMES.map((name) => name.length));
  const lines = (breaks: boolean) =>
    CLASS_NAMES.filter((name) => CLASSES[name].breaks === breaks).map(
      (name) => `  ${name.padEnd(width)}  ${CLASSES[name].about}`,
    );
  return `
Examples:
  dmirror abi check 6.12 B-onfault                        two dialects
  dmirror abi check 6.12 --patch series.mbox              a posted series, before it is applied
  dmirror abi check v6.1:lib/test_hmm_uapi.h HEAD:lib/test_hmm_uapi.h --git ~/linux
  dmirror abi check old/include new/include               all headers of two trees
  dmirror abi check foo.h --targets x86_64,i386,arm       what 32-bit programs see otherwise

Classes that break, and make the status 1:
${lines(true).join('\n')}
Others:
${lines(false).join('\n')}

${exitHelp({ pass: 'compatible', fail: 'a break', usage: "wrong usage, or a header that can't be read" })}`;
}

function addMatrix(abi: Command, status: Ending, output: () => Output): void {
  abi
    .command('matrix')
    .addHelpText('after', exitHelp())
    .argument('[dialects...]', 'all of them when none is named')
    .description("run each dialect's client on each dialect's device and show the first wrong effect")
    .option('--html <file>', 'write a page that needs nothing else')
    .option('--json', 'one JSON object a cell', false)
    .option(
      '--fail-on <kinds>',
      'what makes the status 1: silent, refused, not-modelled with commas between, any, or none',
    )
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
