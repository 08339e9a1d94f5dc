import { effectOf } from './effects.js';
import type { ChangeClass, Finding, Side } from './finding.js';
import { type AbiCommand, hex } from './model.js';
import type { Meaning } from './same-meaning.js';

const DIRECTIONS = ['none', 'write', 'read', 'read and write'] as const;

/** Which class a command fell into, and the finding that says so; none for `same`. */
export interface CommandVerdict {
  readonly command: AbiCommand;
  readonly class: ChangeClass;
  readonly finding: Finding | undefined;
}

export interface CommandComparison {
  /** One verdict for each command of a side, in its order. */
  readonly old: readonly CommandVerdict[];
  readonly new: readonly CommandVerdict[];
  /** Each finding once, though it may be the verdict of a command on both sides. */
  readonly findings: readonly Finding[];
}

/** Puts every command of both sides into exactly one class. A value decides first, then a name: a binary knows values only. */
export function compareCommands(
  older: readonly AbiCommand[],
  newer: readonly AbiCommand[],
  meaning: Meaning,
): CommandComparison {
  const findings = new Map<string, Finding>();
  const keep = (finding: Finding | undefined) => {
    if (finding === undefined) return undefined;
    const key = `${finding.class} ${finding.old?.name} ${finding.new?.name}`;
    if (!findings.has(key)) findings.set(key, finding);
    return findings.get(key);
  };
  const oldVerdicts = older.map((command): CommandVerdict => {
    const found = judge(command, newer, (other) => meaning(command.name, other.name));
    return { command, class: found.class, finding: keep(pairFinding(found, command, found.other, meaning)) };
  });
  const newVerdicts = newer.map((command): CommandVerdict => {
    const found = judge(command, older, (other) => meaning(other.name, command.name));
    const isNew = found.class === 'removed';
    const finding = isNew ? added(command) : pairFinding(found, found.other, command, meaning);
    return { command, class: isNew ? 'added' : found.class, finding: keep(finding) };
  });
  return { old: oldVerdicts, new: newVerdicts, findings: [...findings.values()] };
}

interface Judgement {
  class: ChangeClass;
  other: AbiCommand | undefined;
}

/** The class of one command against the other side; `removed` means that the other side does not have it. */
function judge(
  command: AbiCommand,
  others: readonly AbiCommand[],
  sameAs: (other: AbiCommand) => string | undefined,
): Judgement {
  const atValue = others.filter(({ value }) => value === command.value);
  const named = atValue.find(({ name }) => name === command.name);
  if (named) return { class: 'same', other: named };
  const renamed = atValue.find((other) => sameAs(other) !== undefined);
  if (renamed) return { class: 'renamed', other: renamed };
  if (atValue.length > 0) return { class: 'silent-alias', other: atValue[0] };
  const moved = others.find(({ name }) => name === command.name) ?? others.find((other) => sameAs(other) !== undefined);
  if (!moved) return { class: 'removed', other: undefined };
  if (moved.size !== command.size) return { class: 'size-changed', other: moved };
  return { class: moved.dir === command.dir ? 'renumbered' : 'direction-changed', other: moved };
}

function side(command: AbiCommand | undefined): Side | undefined {
  return command && { name: command.name, value: command.value, at: command.at };
}

function added(command: AbiCommand): Finding {
  return {
    subject: 'command',
    class: 'added',
    new: side(command)!,
    message: `${command.name} is new, at ${hex(command.value)}`,
  };
}

function pairFinding(
  found: Judgement,
  older: AbiCommand | undefined,
  newer: AbiCommand | undefined,
  meaning: Meaning,
): Finding | undefined {
  if (found.class === 'same') return undefined;
  if (older === undefined) return added(newer!);
  const base = { subject: 'command', class: found.class, old: side(older)! } as const;
  if (newer === undefined)
    return { ...base, message: `${older.name}, ${hex(older.value)}, is gone: old callers get an error` };
  const both = { ...base, new: side(newer)! };
  const from = `${hex(older.value)} to ${hex(newer.value)}`;
  switch (found.class) {
    case 'silent-alias':
      return {
        ...both,
        message: `${hex(older.value)} was ${older.name} and is ${newer.name}: no caller gets an error`,
        oldClient: effectOf(older.name, newer.name),
        newClient: effectOf(newer.name, older.name),
      };
    case 'renamed':
      return { ...both, message: `${older.name} is called ${newer.name}: ${meaning(older.name, newer.name)}` };
    case 'size-changed':
      return {
        ...both,
        message: `${newer.name} takes ${newer.size} bytes, not ${older.size}, and so went from ${from}`,
      };
    case 'direction-changed':
      return {
        ...both,
        message: `${newer.name} is ${DIRECTIONS[newer.dir]}, not ${DIRECTIONS[older.dir]}, and so went from ${from}`,
      };
    default:
      return { ...both, message: `${newer.name} went from ${from}: old callers get an error` };
  }
}
