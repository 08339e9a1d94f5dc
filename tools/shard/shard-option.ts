import { type Command, Option } from 'commander';
import { memory } from '../arguments.js';
import { UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { packageVersion } from '../package-root.js';
import type { Blob } from './blob.js';
import { BLOB_FOLDER, ShardShare } from './share.js';
import { shardOf } from './split.js';

/** `--max-memory` of all long commands. Others have one of the same name, for what they write down. */
export class MemoryOption extends Option {
  constructor() {
    super(
      '--max-memory <size>',
      'as 2G: over it fewer run at once, and in the end it stops with what it has (default: 4/5 of what there is)',
    );
    this.argParser(memory);
  }
}

/** `--shard` and what goes with it, and `--max-memory`. `not` are options, as commander calls them, of forms of the command that have no units. */
export function shardOptions(command: Command, not: readonly string[] = []): Command {
  return command
    .addOption(new MemoryOption())
    .addOption(new Option('--shard <i/n>', 'do only this part: 2/5, auto, or auto/5').conflicts([...not]))
    .option('--costs <file>', 'with --shard: what parts cost, in place of the file in the package')
    .addOption(
      new Option('--report <kind>', `with --shard: also write ${BLOB_FOLDER}/, for \`dmirror merge-reports\``).choices([
        'blob',
      ]),
    );
}

interface ShardOptions {
  readonly shard?: string;
  readonly costs?: string;
  readonly report?: string;
  readonly maxMemory?: number;
}

/** Options that say how something is shown or worked off, and nothing about what comes of it. */
const HOW = [
  'shard',
  'costs',
  'report',
  'json',
  'junit',
  'html',
  'jobs',
  'workers',
  'maxMemory',
  'trace',
  'traceFormat',
  'fresh',
];
const WHERE = ['daemon', 'connect'];

/** Before a command runs, its share is set by its options, and behind it its blob is written. */
export function shareCommands(root: Command, output: () => Output & { share: Output['share'] }): void {
  let write: (() => void) | null = null;
  root.hook('preAction', async (_, command) => {
    const options = command.opts<ShardOptions>();
    const { shard, report, maxMemory } = options;
    if (maxMemory !== undefined && command.options.some((option) => option instanceof MemoryOption))
      output().memory.bound(maxMemory);
    for (const name of ['costs', 'report'] as const)
      if (shard === undefined && options[name] !== undefined)
        command.error(`error: option '--${name}' is of --shard; a whole is --shard 1/1`);
    if (shard === undefined || output().share.isMerged) return;
    const [{ costsOf }, { BLOB_OPTION, blobFile, blobText }] = await Promise.all([
      import('./costs.js'),
      import('./blob.js'),
    ]);
    const name = nameOf(command);
    const share = new ShardShare(shardOf(shard, process.env), costsOf(name, options.costs));
    output().share = share;
    if (report === undefined) return;
    const path = blobFile(name, share.shard);
    const file = output().file(BLOB_OPTION, path);
    write = () => {
      const blob: Blob = {
        type: 'dmirror-blob',
        version: 1,
        package: packageVersion(),
        command: { name, options: optionsOf(command), args: command.args },
        ...share.blob(),
      };
      file.write(blobText(blob));
      output().err(`shard ${share.shard.index} of ${share.shard.total} is in ${path}`);
    };
  });
  root.hook('postAction', () => {
    const { memory, err } = output();
    if (memory.isWorthSaying) err(`memory: at most ${memory.text()}`);
    write?.();
  });
}

/** `fault sweep`. */
function nameOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

/** The options of a command line that comes to the same results. */
function optionsOf(command: Command): string[] {
  return command.options.filter(isRecorded).flatMap((option) => {
    const name = option.attributeName();
    const source = command.getOptionValueSource(name);
    if (source === 'default' || source === undefined) return [];
    const value: unknown = command.getOptionValue(name);
    if (typeof value === 'boolean') return value !== option.negate ? [option.long!] : [];
    return (Array.isArray(value) ? value : [value]).map((each) => `${option.long}=${each}`);
  });
}

function isRecorded(option: Option): boolean {
  return ![...HOW, ...WHERE].includes(option.attributeName());
}

/** Holds what a blob says was run against what a shard can have been. Throws UsageError. */
export function checkRecorded(root: Command, { name, options }: Blob['command']): void {
  const hint = 'merge what `--report blob` wrote';
  const command = name
    .split(' ')
    .reduce<Command | undefined>((all, word) => all?.commands.find((one) => one.name() === word), root);
  if (command === undefined || !command.options.some((option) => option.attributeName() === 'shard'))
    throw new UsageError(`the blobs are of '${name}', of which there are no shards`, hint);
  const known = command.options.filter(isRecorded);
  for (const word of options) {
    const [long, ...value] = word.split('=');
    const option = known.find((one) => one.long === long);
    const isValued = value.length > 0;
    if (option === undefined || (isValued ? !option.required && !option.optional : option.required))
      throw new UsageError(`the blobs have the option '${word}', which no shard of '${name}' writes there`, hint);
  }
}
