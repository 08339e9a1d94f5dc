import { dialectByName } from '../../../uapi/dialect.js';
import { ALL_DIALECTS } from '../../../uapi/dialects/all.js';
import { _IOC, _IOC_NR } from '../../../uapi/ioc.js';
import type { Comparison } from '../compare/compare.js';
import type { AbiCommand } from '../load/model.js';

export interface Suggestion {
  /** Numbers that nothing uses on either side, nor, for the test device, in any known dialect. */
  readonly free: readonly { nr: number; value: number }[];
  /** The same commands with every old number kept; undefined when nothing was renumbered. */
  readonly additive: readonly { name: string; nr: number; value: number; kept: boolean }[] | undefined;
}

const TEST_DEVICE = /^HMM_DMIRROR_/;
const SHOWN = 4;

/** How the new ABI could say what it wants to say and leave old callers alone. */
export function suggest({ old, new: newer, commands }: Comparison): Suggestion {
  const model = newer.commands[0] ?? old.commands[0];
  if (model === undefined) return { free: [], additive: undefined };
  const used = usedNumbers([...old.commands, ...newer.commands].filter(({ type }) => type === model.type));
  const free: number[] = [];
  for (let nr = 0; nr <= 0xff && free.length < SHOWN; nr++) if (nr > Math.max(...used) && !used.has(nr)) free.push(nr);
  const numberOf = (nr: number, like: AbiCommand) => _IOC(like.dir, like.type, nr, like.size);
  const broken = commands.new.some((verdict) => BREAKS.has(verdict.class));
  const spare = [...free];
  const taken = new Set(used);
  const additive = newer.commands.map((command) => {
    const before = old.commands.find(({ name }) => name === command.name) ?? renamedFrom(command, commands.findings);
    if (before) return { name: command.name, nr: before.nr, value: before.value, kept: true };
    const clash = old.commands.some(({ value }) => value === command.value);
    const nr = clash ? (spare.shift() ?? nextFree(taken)) : command.nr;
    taken.add(nr);
    return { name: command.name, nr, value: numberOf(nr, command), kept: false };
  });
  return { free: free.map((nr) => ({ nr, value: numberOf(nr, model) })), additive: broken ? additive : undefined };
}

const BREAKS: ReadonlySet<string> = new Set(['renumbered', 'silent-alias', 'size-changed', 'direction-changed']);

function renamedFrom(command: AbiCommand, findings: Comparison['findings']): AbiCommand | undefined {
  const found = findings.find((f) => f.class === 'renamed' && f.subject === 'command' && f.new?.name === command.name);
  const value = found && Number(found.old!.value);
  return value === undefined ? undefined : { ...command, value, nr: _IOC_NR(value) };
}

function nextFree(taken: ReadonlySet<number>): number {
  for (let nr = 0; nr <= 0xff; nr++) if (!taken.has(nr)) return nr;
  return 0xff;
}

function usedNumbers(commands: readonly AbiCommand[]): Set<number> {
  const used = new Set(commands.map(({ nr }) => nr));
  if (!commands.some(({ name }) => TEST_DEVICE.test(name))) return used;
  // Our own numbering is far from the sequence on purpose, and no header of the kernel's.
  for (const { id } of ALL_DIALECTS) {
    if (id !== 'dmirror') for (const nr of dialectByName(id)!.commands.values()) used.add(nr);
  }
  return used;
}
