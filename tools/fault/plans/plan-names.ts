import { syscalls } from '../../../driver/sys/calls/syscalls.js';
import {
  COMMAND_NAMES,
  type CommandName,
  commandNumber,
  DEFAULT_DIALECT,
  dialectByName,
  dialectIds,
} from '../../../uapi/dialect.js';
import { hint } from '../../nearest.js';
import { casesByName } from '../sweep/cases.js';
import type { PlanError } from './plan-errors.js';
import { profileOf } from './plan-machine.js';
import type { Expect, Plan, Rule, Step } from './plan-schema.js';
import { COMMANDS, MAIN_SESSION, madeBy } from './plan-words.js';

type Path = readonly (string | number)[];

/** What rules can be narrowed to: commands of the device, system calls, and what else arrives in frames. */
const COMMAND_WORDS: readonly string[] = [
  ...COMMAND_NAMES,
  'cpu-fault',
  'unknown',
  ...Object.keys(syscalls),
  'process',
  'hello',
];

/** Steps that are about a mapping. */
const ABOUT_MAPS: readonly string[] = [...COMMANDS, 'unmap', 'protect', 'advise', 'move', 'store', 'load', 'pin'];

const MAKERS: Readonly<Record<string, Kind>> = {
  open: 'device',
  map: 'map',
  process: 'process',
  fork: 'process',
  session: 'session',
};

const KINDS = { process: 'process', map: 'mapping', device: 'open device', session: 'session', rule: 'rule' } as const;
type Kind = keyof typeof KINDS;

/** Follows a plan from its begin and finds names of what is not there (yet), and words that nothing has. */
export function checkNames(plan: Plan): PlanError[] {
  const check = new NameCheck();
  const { selftest, setup = [], steps = [], rules = [], expect } = plan;
  if (selftest !== undefined) check.word(selftest, [...casesByName(profileOf(plan.machine)).keys()], ['selftest']);
  for (const [i, step] of setup.entries()) check.step(step, ['setup', i]);
  // A rule may be about a session that a step opens later; all else that it names must be there when rules are armed.
  const later = check.sessionsOf(steps);
  check.rules(rules, ['rules'], later);
  for (const [i, step] of steps.entries()) check.step(step, ['steps', i]);
  if (expect !== undefined) check.expect(expect, ['expect']);
  return check.errors;
}

class NameCheck {
  readonly errors: PlanError[] = [];
  /** Of open files by name. */
  private readonly dialects = new Map<string, string>();
  /** Names of files that were closed, which others may have. */
  private readonly isFree = new Set<string>();
  private readonly names: Record<Kind, Set<string>> = {
    process: new Set(['p']),
    map: new Set(),
    device: new Set(),
    session: new Set([MAIN_SESSION]),
    rule: new Set(),
  };

  word(word: string, words: readonly string[], path: Path): void {
    if (!words.includes(word)) this.errors.push({ path, message: `'${word}' is not known here${hint(word, words)}` });
  }

  sessionsOf(steps: readonly Step[]): string[] {
    return steps.filter((step) => step.do === 'session').map(madeBy);
  }

  step(step: Step, path: Path): void {
    this.refer('process', step.process, [...path, 'process']);
    this.refer('device', step.device, [...path, 'device']);
    this.refer('map', step.on, [...path, 'on']);
    this.refer('session', step.session, [...path, 'session']);
    if (step.do === 'kill') this.refer('process', step.name, [...path, 'name']);
    if (step.dialect !== undefined) this.dialect(step.dialect, [...path, 'dialect']);
    this.mustHave(step, path);
    this.command(step, path);
    for (const [i, inner] of (step.steps ?? []).entries()) this.step(inner, [...path, 'steps', i]);
    this.make(step, path);
    if (step.do === 'close') this.isFree.add(step.device ?? [...this.names.device][0] ?? '');
    if (step.expect !== undefined) this.expect(step.expect, [...path, 'expect']);
  }

  /** A second thing of the same name would hide the first. */
  private make(step: Step, path: Path): void {
    const kind = MAKERS[step.do];
    if (kind === undefined) return;
    const name = madeBy(step);
    const key = step.name === undefined ? 'do' : 'name';
    if (this.names[kind].has(name) && !(kind === 'device' && this.isFree.delete(name)))
      this.errors.push({
        path: [...path, key],
        message: `there is ${kind === 'device' ? 'an' : 'a'} ${KINDS[kind]} '${name}' already; 'name' is for another`,
      });
    this.names[kind].add(name);
    if (kind === 'device') this.dialects.set(name, step.dialect ?? DEFAULT_DIALECT);
  }

  /** A dialect that lacks a command has no number for it. */
  private command(step: Step, path: Path): void {
    if (!(COMMANDS as readonly string[]).includes(step.do)) return;
    const id = step.dialect ?? this.dialects.get(step.device ?? [...this.dialects.keys()][0] ?? '');
    const dialect = id === undefined ? undefined : dialectByName(id);
    const command = step.do.toUpperCase() as CommandName;
    if (dialect === undefined || commandNumber(dialect, command) !== undefined) return;
    const key = step.dialect === undefined ? 'do' : 'dialect';
    this.errors.push({ path: [...path, key], message: `dialect ${dialect.id} has no ${command}` });
  }

  expect({ fired = {}, sessions = {} }: Expect, path: Path): void {
    for (const name of Object.keys(fired)) this.refer('rule', name, [...path, 'fired', name], true);
    for (const name of Object.keys(sessions)) this.refer('session', name, [...path, 'sessions', name], true);
  }

  rules(rules: readonly Rule[], path: Path, sessions: readonly string[]): void {
    for (const [i, rule] of rules.entries()) this.rule(rule, [...path, i], sessions);
  }

  private rule(rule: Rule, path: Path, sessions: readonly string[]): void {
    this.refer('process', rule.process, [...path, 'process']);
    this.refer('device', rule.fd, [...path, 'fd']);
    this.refer('map', rule.on, [...path, 'on']);
    if (rule.session !== undefined && !sessions.includes(rule.session))
      this.refer('session', rule.session, [...path, 'session']);
    if (rule.command !== undefined) this.word(rule.command, COMMAND_WORDS, [...path, 'command']);
    if (rule.dialect !== undefined) this.dialect(rule.dialect, [...path, 'dialect']);
    this.refer('rule', rule.after, [...path, 'after']);
    if (rule.run !== undefined) this.step(rule.run, [...path, 'run']);
    const name = rule.name ?? `rule ${this.names.rule.size + 1}`;
    if (this.names.rule.has(name))
      this.errors.push({ path: [...path, 'name'], message: `two rules are called '${name}'` });
    this.names.rule.add(name);
    if (rule.then !== undefined) this.rules(rule.then, [...path, 'then'], sessions);
  }

  private dialect(name: string, path: Path): void {
    if (dialectByName(name) === undefined) this.word(name, dialectIds(), path);
  }

  private refer(kind: Kind, name: string | undefined, path: Path, isKey = false): void {
    const names = this.names[kind];
    if (name === undefined || names.has(name)) return;
    const known = names.size === 0 ? '; nothing has made one' : hint(name, [...names]);
    this.errors.push({ path, message: `there is no ${KINDS[kind]} '${name}' here${known}`, isKey });
  }

  /** Of a step that names no device or mapping there must be one that is meant. */
  private mustHave(step: Step, path: Path): void {
    const isCommand = (COMMANDS as readonly string[]).includes(step.do);
    if ((isCommand || step.do === 'close') && step.device === undefined && this.names.device.size === 0)
      this.errors.push({
        path: [...path, 'do'],
        message: `${step.do} needs an open device, and nothing has opened one`,
      });
    if (!ABOUT_MAPS.includes(step.do) || step.on !== undefined || this.names.map.size === 1) return;
    const maps = [...this.names.map].join(', ');
    const message = maps === '' ? 'and nothing has mapped one' : `by 'on'; there are: ${maps}`;
    this.errors.push({ path: [...path, 'do'], message: `${step.do} needs a mapping, ${message}` });
  }
}
