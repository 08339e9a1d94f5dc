import { type AbiCommand, type AbiModel, hex } from '../load/model.js';
import { effectOf } from './effects.js';
import type { ChangeClass, Finding, FindingClass, Side } from './finding.js';
import type { Meaning } from './same-meaning.js';
import type { TypeChange } from './type-change.js';

const DIRECTIONS = ['none', 'write', 'read', 'read and write'] as const;

/** Which class a command fell into, and the finding that says so; none for `same`. */
interface CommandVerdict {
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
    const found = judge(command, { others: newer, stays: () => false }, (other) => meaning(command.name, other.name));
    return { command, class: found.class, finding: keep(pairFinding(found, command, found.other, meaning)) };
  });
  const newVerdicts = newer.map((command): CommandVerdict => {
    const stays = (other: AbiCommand) => newer.some(({ name, value }) => name === other.name && value === other.value);
    const found = judge(command, { others: older, stays }, (other) => meaning(other.name, command.name));
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
  /** `stays`: what was at a value is there still, so that the command only came beside it. */
  { others, stays }: { others: readonly AbiCommand[]; stays(other: AbiCommand): boolean },
  sameAs: (other: AbiCommand) => string | undefined,
): Judgement {
  const atValue = others.filter(({ value }) => value === command.value);
  const named = atValue.find(({ name }) => name === command.name);
  if (named) return { class: 'same', other: named };
  const renamed = atValue.find((other) => sameAs(other) !== undefined);
  if (renamed) return { class: stays(renamed) ? 'added' : 'renamed', other: renamed };
  const beside = atValue.find(stays);
  if (beside) return { class: 'code-overlap', other: beside };
  if (atValue.length > 0) return { class: 'silent-alias', other: atValue[0] };
  const moved = others.find(({ name }) => name === command.name) ?? others.find((other) => sameAs(other) !== undefined);
  if (!moved) return { class: 'removed', other: undefined };
  if (moved.size !== command.size) {
    const grown = isExtensible(command) && moved.nr === command.nr && moved.dir === command.dir;
    return { class: grown ? 'grew' : 'size-changed', other: moved };
  }
  return { class: moved.dir === command.dir ? 'renumbered' : 'direction-changed', other: moved };
}

/**
 * These drivers go by the number's nr alone, and take a record of another size: what is missing counts as zeroes.
 * Linux: drivers/gpu/drm/drm_ioctl.c:drm_ioctl(), drivers/gpu/drm/amd/amdkfd/kfd_chardev.c:kfd_ioctl()
 */
export function isExtensible({ name }: AbiCommand): boolean {
  return /^(DRM_IOCTL_|AMDKFD_IOC_)/.test(name);
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
  const base = { subject: 'command', class: found.class as FindingClass, old: side(older)! } as const;
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
    case 'added':
      return { ...added(newer), message: `${newer.name} is new, another name of ${older.name}` };
    case 'code-overlap':
      return {
        ...both,
        message: `${newer.name} is new, and has the number of ${older.name}, ${hex(older.value)}, too`,
      };
    case 'renamed':
      return { ...both, message: `${older.name} is called ${newer.name}: ${meaning(older.name, newer.name)}` };
    case 'grew':
      return { ...both, message: `${newer.name} takes ${newer.size} bytes, not ${older.size}; its driver takes both` };
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

/** Changes of commands whose number a program completes, as `NAME(len)`: each is compared for the same arguments. */
export function compareMacros(older: AbiModel, newer: AbiModel, typeChange: TypeChange): Finding[] {
  const bare = ({ name }: AbiCommand) => name.replace(/\(.*/, '');
  const [before, after] = [older, newer].map(({ commands }) => {
    return new Map(commands.filter(({ samples }) => samples).map((command) => [bare(command), command]));
  }) as [Map<string, AbiCommand>, Map<string, AbiCommand>];
  const findings = [...before].flatMap(([name, command]): Finding[] => {
    const other = after.get(name);
    if (other) return macroChange(command, other, typeChange);
    const message = `${command.name} is gone: old callers get an error`;
    return [{ subject: 'command', class: 'removed', old: side(command)!, message }];
  });
  const fresh = [...after].filter(([name]) => !before.has(name));
  return [...findings, ...fresh.map(([, command]) => ({ ...added(command), message: `${command.name} is new` }))];
}

function macroChange(a: AbiCommand, b: AbiCommand, typeChange: TypeChange): Finding[] {
  const make = (kind: FindingClass, message: string): Finding[] => {
    return [{ subject: 'command', class: kind, old: side(a)!, new: side(b)!, message: `${b.name}${message}` }];
  };
  const pairs = a.samples!.flatMap((x) => b.samples!.filter(({ call }) => call === x.call).map((y) => [x, y] as const));
  if (pairs.length === 0) return make('type-changed', ' takes other arguments than before');
  const changed = pairs.find(([x, y]) => x.value !== y.value);
  if (changed) {
    const [x, y] = changed;
    const part = (shift: number, mask: number) => [(x.value >>> shift) & mask, (y.value >>> shift) & mask] as const;
    const example = `${x.call}: ${hex(x.value)} to ${hex(y.value)}`;
    const [oldSize, newSize] = part(16, 0x3fff);
    if (oldSize !== newSize) return make('size-changed', ` takes ${newSize} bytes, not ${oldSize} (${example})`);
    const [oldDir, newDir] = part(30, 3);
    if (oldDir !== newDir)
      return make('direction-changed', ` is ${DIRECTIONS[newDir]}, not ${DIRECTIONS[oldDir]} (${example})`);
    const [oldNr, newNr] = part(0, 0xffff);
    return make('renumbered', ` went from ${hex(oldNr & 0xff)} to ${hex(newNr & 0xff)} (${example})`);
  }
  const typed = pairs.find(([x, y]) => x.canonical && y.canonical && typeChange(canonical(x), canonical(y)));
  return typed
    ? make('type-changed', ` takes ${typed[1].canonical}, not ${typed[0].canonical} (${typed[0].call})`)
    : [];
}

function canonical({ canonical = '' }: { canonical?: string }) {
  return { type: canonical, canonical };
}
