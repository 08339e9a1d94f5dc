// What can't be compared as a whole is compared as far as it goes, and listed.

import { type AbiCommand, type AbiModel, hex, type KernelOnly, type UnreadCommand } from '../load/model.js';
import type { Finding, FindingClass, Side } from './finding.js';

type Known = AbiCommand | UnreadCommand;

export function compareUnread(older: AbiModel, newer: AbiModel): Finding[] {
  const named = <T extends { name: string }>(list: readonly T[], name: string) =>
    list.find((item) => item.name === name);
  const findings: Finding[] = [];
  for (const before of older.unread) {
    const { name } = before;
    const after = named(newer.unread, name) ?? named(newer.commands, name);
    if (after) findings.push(...changes(before, after));
    else if (!named(newer.constants, name)) findings.push(finding('removed', `${name} is gone`, { old: before }));
  }
  for (const after of newer.unread) {
    if (named(older.unread, after.name)) continue;
    const before = named(older.commands, after.name);
    if (before) {
      const message = `${after.name} can't be used any more: ${after.problem}`;
      findings.push(finding('does-not-compile', message, { old: before, new: after }), ...changes(before, after));
    } else {
      const message = `${after.name} is new, and is not sized: ${after.problem}`;
      findings.push(finding('not-compared', message, { new: after }));
    }
  }
  return findings;
}

function changes(before: Known, after: Known): Finding[] {
  const both = { old: before, new: after };
  const { name } = after;
  const [x, y] = [partOf(before), partOf(after)];
  if (x && y) {
    const parts = (command: AbiCommand) => `${hex(command.nr, 2)} of ${hex(command.type, 2)}, direction ${command.dir}`;
    if (parts(x) !== parts(y)) {
      return [finding('renumbered', `${name} went from ${parts(x)} to ${parts(y)}: old callers get an error`, both)];
    }
    if (x.argument !== y.argument && isUnread(before) && isUnread(after)) {
      const message = `${name} takes ${y.argument}, not ${x.argument}; neither is defined here`;
      return [finding('type-changed', message, both)];
    }
  } else if (isUnread(before) && isUnread(after) && before.text !== after.text) {
    const message = `${name} is '${after.text}', not '${before.text}', which the header alone gives no number`;
    return [finding('renumbered', message, both)];
  }
  if (!isUnread(before) || !isUnread(after)) return [];
  return [finding('not-compared', `${name} is not sized: ${after.problem}`, both)];
}

function isUnread(command: Known): command is UnreadCommand {
  return 'problem' in command;
}

function partOf(command: Known): AbiCommand | undefined {
  return isUnread(command) ? command.partial : command;
}

function finding(kind: FindingClass, message: string, sides: { old?: Known; new?: Known }): Finding {
  const side = (command: Known | undefined): Side | undefined => command && { name: command.name, at: command.at };
  return { subject: 'command', class: kind, old: side(sides.old), new: side(sides.new), message };
}

/** Types that no program has. Where they were used before too, nothing got worse. */
export function compareKernelOnly(older: AbiModel, newer: AbiModel): Finding[] {
  const key = ({ name, user }: KernelOnly) => `${user} ${name}`;
  const before = new Set(older.kernelOnly.map(key));
  const known = new Set(older.constants.map(({ name }) => name));
  const seen = new Set<string>();
  return newer.kernelOnly.flatMap((use): Finding[] => {
    const { name, user, isCommand = false, at } = use;
    if (seen.has(key(use))) return [];
    seen.add(key(use));
    const isNewConstant = user !== undefined && !isCommand && !known.has(user);
    const harmless = before.has(key(use)) || isNewConstant ? { harmless: true } : {};
    const what = user === undefined ? 'no program can include the header' : `no program can use ${user}`;
    const where = at ? `line ${at.line}` : 'the header';
    const message = `${where} uses ${name}, which only the kernel has, so that ${what}; __${name} is what it may use`;
    const subject = user === undefined ? 'header' : isCommand ? 'command' : 'constant';
    return [{ subject, class: 'does-not-compile', new: { name: user ?? name, at }, message, ...harmless }];
  });
}
