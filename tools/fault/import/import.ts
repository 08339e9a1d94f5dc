import { stringify } from 'yaml';
import { EXIT, inputBytes, UsageError } from '../../exit-code.js';
import type { Output } from '../../output.js';
import type { Rule } from '../plans/plan-schema.js';
import { schemaComment } from '../plans/schema-comment.js';
import { KINDS, Knobs, type Left } from './knobs.js';
import { type ShellEvent, type ShellLine, type ShellWrite, SWEEP, shellEvents } from './shell-events.js';

interface Imported {
  readonly rules: Rule[];
  readonly left: Left[];
}

/** `dmirror fault import FILE`: the plan goes to stdout, what was left out to stderr. */
export function importScript(file: string, output: Output): number {
  const source = inputBytes(file, 'name a shell script').toString('utf8');
  const { rules, left } = readScript(source);
  if (rules.length === 0 && left.length === 0)
    throw new UsageError(
      `${file}: nothing in it is about fault injection`,
      'it may write to the files of failslab, fail_page_alloc, fail_usercopy, fail_function or fail-nth, call failcmd.sh, or be a command line of the kernel',
    );
  output.out(schemaComment());
  output.out(`# Imported from ${file}. The steps are an example: put in what the script ran.`);
  for (const { line, text, why } of left) output.out(`# line ${line}: ${text} - ${why}`);
  const plan = {
    name: 'imported',
    setup: [{ do: 'open' }, { do: 'map', name: 'buf', pages: 66 }, { do: 'store', on: 'buf' }],
    rules,
    steps: [
      { do: 'migrate_on_fault_to_dev', on: 'buf' },
      { do: 'migrate_to_sys', on: 'buf' },
    ],
  };
  output.out(stringify(plan).trimEnd());
  if (left.length > 0)
    output.err(`${left.length} ${left.length === 1 ? 'line has' : 'lines have'} no counterpart; the plan lists them`);
  return EXIT.pass;
}

/** What was armed at one moment of a script. */
interface Moment extends ShellLine {
  readonly rules: Rule[];
  readonly armed: number;
  /** What happened then: a program ran, somebody waited for one, or a knob was written. */
  readonly kind: 'program' | 'pause' | 'write';
}

/** Reads what a script says of fault injection, whichever way it is written: what is armed while it runs its program. */
export function readScript(source: string): Imported {
  const reader = new ScriptReader();
  for (const event of shellEvents(source)) reader.take(event);
  const chosen = reader.chosen();
  const left = new Map([...reader.left, ...reader.others(chosen)].map((one) => [`${one.line} ${one.why}`, one]));
  return { rules: chosen?.rules ?? [], left: [...left.values()].sort((a, b) => a.line - b.line) };
}

class ScriptReader {
  readonly left: Left[] = [];
  private readonly knobs = new Knobs();
  private readonly moments: Moment[] = [];

  take(event: ShellEvent): void {
    if (event.kind === 'unknown') this.left.push({ line: event.line, text: event.text, why: event.why });
    else if (event.kind === 'write') this.write(event);
    else if (event.kind === 'boot') this.boot(event);
    else this.command(event);
  }

  /** The moment that the plan is about: when most was armed, and a program ran if one did. */
  chosen(): Moment | undefined {
    for (const kind of ['program', 'pause', 'write']) {
      const moments = this.moments.filter((moment) => moment.kind === kind);
      // A script that runs nothing may end with resets; of equals the last is what it leaves armed.
      const inOrder = kind === 'write' ? moments.toReversed() : moments;
      const most = Math.max(...inOrder.map(({ armed }) => armed));
      const found = inOrder.find(({ armed }) => armed === most);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Programs that ran with something else armed. */
  others(chosen: Moment | undefined): Left[] {
    const known = new Set([chosen, ...this.moments.filter(({ kind }) => kind !== 'program')]);
    const seen = new Set([textOf(chosen?.rules)]);
    return this.moments.flatMap((moment) => {
      if (known.has(moment) || seen.has(textOf(moment.rules))) return [];
      seen.add(textOf(moment.rules));
      const isNth = moment.rules.some(({ nth }) => nth !== undefined);
      const why = isNth
        ? `it runs again for another fail-nth; ${SWEEP}`
        : 'it runs again with something else armed; a plan is about one run';
      const { line, text } = moment;
      return [{ line, text, why }];
    });
  }

  private write(write: ShellWrite): void {
    const why = this.knobs.write(write);
    const { line, text } = write;
    if (why !== undefined) this.left.push({ line, text, why });
    else if (write.isRepeated && write.path.endsWith('fail-nth'))
      this.left.push({ line, text, why: `it is in a loop; ${SWEEP}` });
    this.note('write', write);
  }

  /** `failslab=INTERVAL,PROBABILITY,SPACE,TIMES`. Linux: lib/fault-inject.c:setup_fault_attr() */
  private boot({ line, text, name, values }: ShellEvent & { kind: 'boot' }): void {
    const [interval, probability, space, times] = values.split(',').map(Number);
    if (Object.hasOwn(KINDS, name)) this.knobs.set(name, { interval, probability, space, times });
    else this.left.push({ line, text, why: `'${name}' is no kind of fault that dmirror has` });
    this.note('write', { line, text });
  }

  private command({ line, text, words, environment }: ShellEvent & { kind: 'command' }): void {
    const at = words.findIndex((word) => /(^|\/)failcmd\.sh$/.test(word));
    const before = this.knobs.copy();
    if (at >= 0)
      for (const why of this.knobs.failcmd(words.slice(at + 1), environment.FAILCMD_TYPE ?? 'failslab'))
        this.left.push({ line, text, why });
    this.note(PAUSES.test(words[0] ?? '') ? 'pause' : 'program', { line, text });
    if (at >= 0) this.knobs.restore(before);
  }

  private note(kind: Moment['kind'], { line, text }: ShellLine): void {
    const { rules, left } = this.knobs.rules();
    this.left.push(...left);
    const { armed } = this.knobs;
    if (armed > 0) this.moments.push({ kind, line, text, rules, armed });
  }
}

/** Commands that only wait, or make ready. */
const PAUSES = /^(?:sleep|wait|kill|pkill|modprobe|insmod|rmmod|sync)$/;

function textOf(rules: readonly Rule[] | undefined): string {
  return JSON.stringify(rules);
}
