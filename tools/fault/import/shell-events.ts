import { FUNCTION, type Statement, statementsOf } from './shell-statements.js';

export interface ShellLine {
  readonly line: number;
  readonly text: string;
}

/** `echo VALUE > PATH`, in whatever way it is written, with what both are when the script runs. */
export interface ShellWrite extends ShellLine {
  readonly value: string;
  /** From the folder that the script is in by then. */
  readonly path: string;
  /** In a loop whose rounds nobody knows before it runs. */
  readonly isRepeated: boolean;
}

/** What a script does, as far as fault injection goes. */
export type ShellEvent =
  | (ShellWrite & { readonly kind: 'write' })
  /** What would have to run to know what it writes. */
  | (ShellLine & { readonly kind: 'unknown'; readonly why: string })
  /** A parameter of the kernel's command line. */
  | (ShellLine & { readonly kind: 'boot'; readonly name: string; readonly values: string })
  /** A program that runs. */
  | (ShellLine & {
      readonly kind: 'command';
      readonly words: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
    });

const VALUE = String.raw`(?:sudo\s+)?(?:echo(?:\s+-[neE]+)*|printf(?:\s+["']?%[^\s"']+["']?)?)\s*(.*?)`;
/** Files of tee, and the one of dd. */
const TEE = String.raw`(?:sudo\s+)?(?:tee(?:\s+-a)?\s+([^\s<>|]+(?:\s+[^\s<>|]+)*)|dd\s+of=(\S+)(?:\s+\w+=\w+)*)`;
const QUIET = String.raw`(?:\s*&?>\s*/dev/null|\s*2>\S+)*`;
const WRITE = new RegExp(String.raw`^${VALUE}\s*(?:1?>>?\|?\s*(\S+)|\|\s*${TEE})${QUIET}$`);
const REDIRECT_FIRST = new RegExp(String.raw`^1?>>?\|?\s*(\S+)\s+${VALUE}$`);
const HERE_STRING = new RegExp(
  String.raw`^(?:${TEE}|cat\s*>>?\s*(\S+)|cat)${QUIET}\s*<<<\s*(\S+)(?:\s*>>?\s*(\S+))?${QUIET}$`,
);
const HERE_DOCUMENT = new RegExp(String.raw`^(?:${TEE}|cat\s*>>?\s*(\S+))${QUIET}$`);
const INNER = /^(?:(?:sudo|exec)\s+)*(?:\/bin\/)?(?:ba|da|)sh\s+-c\s+(["'])(.*)\1$/;
const ASSIGNMENT =
  /^(?:(?:export|local|readonly|typeset|declare)\s+(?:-\w+\s+)?)?([A-Za-z_]\w*)=(\S*|"[^"]*"|'[^']*')$/;
const LOOP = /^for\s+(\w+)\s+in\s+(.*)$/;
const COUNTED = /^for\s*\(\(\s*(\w+)\s*=\s*(\d+)\s*;\s*\w+\s*(<=?)\s*(\S+?)\s*;\s*(?:\w+\+\+|\+\+\w+)\s*\)\)$/;
const BOOT = /\b(fail(?:slab|_\w+))=(-?\d+,\d+,-?\d+,-?\d+)(?![\w,])/g;
/** Text that is about fault injection, so that it may not be passed over in silence. */
const ABOUT_FAULTS = /\bfail(?:slab|_\w+|-nth)\b|make-it-fail|fault[-_]?inject/i;
/** One of the kernel's own files, in whatever command. */
const KNOB_FILE = /\bfail(?:slab|_\w+)\/[\w-]+|\bfail-nth\b/;
/** As BOOT, but not of four numbers. */
const BOOT_LOST = /\bfail(?:slab|_\w+)=[^\s"']*,/;
/** A statement that writes somewhere, in a way that is not known here. */
const REDIRECTS = /(?:^|[^-=0-9&2<>])>>?\|?\s*(?!&|\/dev\/null)(\S+)|\btee\s+(\S+)|\bof=(\S+)|^cp\s+\S+\s+(\S+)$/;
/** Commands that run nothing which could be made to fail. */
const HARMLESS =
  /^(?:(?:sudo\s+)?(?:cat|ls|dmesg|u?mount|mkdir|rm|cp|dd|chmod|chown|touch|grep|sed|awk|head|tail|tee|find|stat|id|uname|sysctl|getopt|date|seq|clear)|echo|printf|read|exit|return|break|continue|true|false|:|set|shift|local|unset|export|declare|readonly|source|\.|test|\[|\[\[|case|esac|fi|done|function|trap|ulimit|eval|usage)\b/;
const NOT_A_COMMAND = /^(?:\[|>|[:{}()]|\w+\s*\(\)|.*\)$)|^(?:do|fi|done|esac|else|then)\b/;
/** So many rounds of a loop say all that a plan can. */
const MAX_ROUNDS = 100;

/** Calls inside of calls, of a function that calls itself. */
const MAX_CALLS = 20;

/** What a shell script does, in order; loops over words and numbers are unrolled. A function that nobody calls comes at the end. */
export function shellEvents(source: string): ShellEvent[] {
  const reader = new ShellReader();
  reader.run(statementsOf(source, 1));
  reader.runUncalled();
  return reader.events;
}

interface ShellFunction {
  readonly body: readonly Statement[];
  isCalled: boolean;
}

class ShellReader {
  readonly events: ShellEvent[] = [];
  private readonly variables = new Map<string, string>();
  private readonly functions = new Map<string, ShellFunction>();
  private folder = '';
  private calls = 0;
  /** Loops around the present statement whose rounds are not known. */
  private openLoops = 0;

  runUncalled(): void {
    for (const { body, isCalled } of [...this.functions.values()]) if (!isCalled) this.run(body);
  }

  run(statements: readonly Statement[]): void {
    for (let i = 0; i < statements.length; i++) {
      const statement = statements[i]!;
      if (FUNCTION.test(statement.text)) {
        const end = endOf(statements, i, { opens: FUNCTION, closes: /^\}$/ });
        const name = statement.text.replace('() {', '');
        this.functions.set(name, { body: statements.slice(i + 1, end), isCalled: false });
        i = end;
        continue;
      }
      const [, name, list] = LOOP.exec(statement.text) ?? [];
      const counted = COUNTED.exec(statement.text);
      if (!/^(?:for|while|until)\b/.test(statement.text)) {
        this.one(statement);
        continue;
      }
      const end = endOf(statements, i, { opens: /^(?:for|while|until)\b/, closes: /^done\b/ });
      const words = counted === null ? this.wordsOf(list ?? '') : this.numbersOf(counted);
      this.loop(name ?? counted?.[1], words, statements.slice(i + 1, end));
      i = end;
    }
  }

  private loop(name: string | undefined, words: readonly string[], body: readonly Statement[]): void {
    if (name !== undefined) this.variables.delete(name);
    if (words.length === 0) {
      this.openLoops++;
      this.run(body);
      this.openLoops--;
    }
    for (const word of words.slice(0, MAX_ROUNDS)) {
      this.variables.set(name!, word);
      this.run(body);
    }
  }

  /** Of a list that is known before the script runs; none otherwise. */
  private wordsOf(list: string): string[] {
    const text = this.expand(list).trim();
    const seq = /^(?:\$\(\s*seq|`\s*seq)\s+(\d+)(?:\s+(\d+))?\s*[)`]$/.exec(text);
    if (seq !== null) return seq[2] === undefined ? range(1, Number(seq[1])) : range(Number(seq[1]), Number(seq[2]));
    const braces = /^\{(\d+)\.\.(\d+)\}$/.exec(text);
    if (braces !== null) return range(Number(braces[1]), Number(braces[2]));
    return /[$*?`]/.test(text) ? [] : text.split(/\s+/).filter((word) => word !== '');
  }

  private numbersOf([, , first, less, last]: RegExpExecArray): string[] {
    const end = Number(this.expand(last!));
    return Number.isInteger(end) ? range(Number(first), less === '<' ? end - 1 : end) : [];
  }

  private one({ line, text, input, isOtherwise = false }: Statement): void {
    const place = { line, text };
    if (isOtherwise) {
      this.otherwise(place);
      return;
    }
    const inner = INNER.exec(text);
    const called = this.functions.get(/^[\w-]+/.exec(text)?.[0] ?? '');
    if (inner !== null) this.inOtherTask(place, statementsOf(inner[2]!, line));
    else if (called !== undefined) this.call(called, this.expand(text).split(/\s+/));
    else if (/^cd\s+\S/.test(text)) this.folder = this.expand(text.replace(/^cd\s+/, ''));
    else if (!/^trap\s/.test(text)) this.plain(place, input);
  }

  /** A branch that is not followed: what it would write is lost, and what it would give a variable leaves that open. */
  private otherwise(place: ShellLine): void {
    const [, name, value] = ASSIGNMENT.exec(place.text) ?? [];
    if (name !== undefined && this.variables.get(name) !== this.expand(value!)) this.variables.delete(name);
    else if (KNOB_FILE.test(this.expand(place.text)) && writeOf(place.text, '') !== null)
      this.lost(place, 'it is in another branch than the one that is followed');
  }

  private lost(place: ShellLine, why: string): void {
    this.events.push({ kind: 'unknown', ...place, why });
  }

  /** fail-nth is of the task that wrote it, and ends with it. */
  private inOtherTask(place: ShellLine, statements: readonly Statement[]): void {
    const before = this.events.length;
    this.run(statements);
    const isSet = this.events.slice(before).some((event) => event.kind === 'write' && event.path.endsWith('/fail-nth'));
    if (isSet)
      this.events.push({ kind: 'write', ...place, value: '0', path: '/proc/self/fail-nth', isRepeated: false });
  }

  private call(called: ShellFunction, words: readonly string[]): void {
    if (this.calls === MAX_CALLS) return;
    this.calls++;
    called.isCalled = true;
    for (let i = 1; i < Math.max(words.length, 10); i++) {
      if (words[i] === undefined) this.variables.delete(String(i));
      else this.variables.set(String(i), words[i]!);
    }
    this.run(called.body);
    this.calls--;
  }

  private plain(place: ShellLine, input: string | undefined): void {
    const { text } = place;
    const isLog = /^(?:echo|printf)\b(?!.*(?:>|\btee\b))/.test(text);
    const boot = isLog ? [] : [...this.expand(text).matchAll(BOOT)];
    for (const [, name, values] of boot) this.events.push({ kind: 'boot', ...place, name: name!, values: values! });
    if (!isLog && boot.length === 0 && BOOT_LOST.test(this.expand(text)))
      this.lost(place, 'Linux takes it with four numbers only: INTERVAL,PROBABILITY,SPACE,TIMES');
    const assignment = ASSIGNMENT.exec(text);
    const write = writeOf(text, input);
    if (assignment !== null) this.variables.set(assignment[1]!, this.expand(assignment[2]!));
    else if (write !== null)
      for (const path of this.expand(write.path).split(/\s+/).flatMap(alternatives))
        this.write(place, this.expand(write.value), path);
    else this.other(place, REDIRECTS.exec(text));
  }

  /** No write that is understood: it may be one that is not, and it may run a program. */
  private other(place: ShellLine, redirect: RegExpExecArray | null): void {
    const { text } = place;
    const target = this.expand(redirect?.slice(1).find((one) => one !== undefined) ?? '');
    const mayWrite =
      redirect !== null && (ABOUT_FAULTS.test(`${text} ${this.folder}/${target}`) || UNKNOWN.test(target));
    if (mayWrite || (KNOB_FILE.test(this.expand(text)) && !HARMLESS.test(text) && !NOT_A_COMMAND.test(text)))
      this.lost(place, 'not a write to a knob whose value is known before it runs');
    if (HARMLESS.test(text) || NOT_A_COMMAND.test(text)) return;
    const words = this.expand(text).split(/\s+/);
    const environment = Object.fromEntries(this.variables);
    while (words.length > 0 && /^(?:sudo|env|exec|nohup|time|\w+=\S*)$/.test(words[0]!)) {
      const [name, value] = words.shift()!.split('=');
      if (value !== undefined) environment[name!] = value;
    }
    if (words.length > 0) this.events.push({ kind: 'command', ...place, words, environment });
  }

  private write(place: ShellLine, value: string, name: string): void {
    const path = name.startsWith('/') || this.folder === '' ? name : `${this.folder}/${name}`;
    const open = UNKNOWN.exec(`${value} ${path}`);
    if (open === null) this.events.push({ kind: 'write', ...place, value, path, isRepeated: this.openLoops > 0 });
    else if (ABOUT_FAULTS.test(`${place.text} ${path}`) || UNKNOWN.test(path))
      this.lost(place, `'${open[0]}' has no value before it runs${path.endsWith('fail-nth') ? `; ${SWEEP}` : ''}`);
  }

  /** Without quotes, and with the variables that have a value; single quotes keep what is in them. */
  private expand(word: string): string {
    return word.replace(
      /'([^']*)'|"|\$\{?(\w+)(?::-([^}]*))?\}?/g,
      (all, quoted: string | undefined, name: string | undefined, otherwise: string | undefined) => {
        if (quoted !== undefined) return quoted;
        return name === undefined ? '' : (this.variables.get(name) ?? otherwise ?? all);
      },
    );
  }
}

/** What a loop over fail-nth is for. */
export const SWEEP = '`dmirror fault sweep` fails every hit in turn';

const UNKNOWN = /\$[{(]?[\w*@#!?]*[})]?|`/;

function writeOf(text: string, input: string | undefined): { value: string; path: string } | null {
  const [, value, ...paths] = WRITE.exec(text) ?? [];
  if (value !== undefined) return { value, path: paths.find((path) => path !== undefined)! };
  const first = REDIRECT_FIRST.exec(text);
  if (first !== null) return { path: first[1]!, value: first[2]! };
  const here = HERE_STRING.exec(text);
  const target = here?.[1] ?? here?.[2] ?? here?.[3] ?? here?.[5];
  if (target !== undefined) return { path: target, value: here![4]! };
  const [, ...files] = HERE_DOCUMENT.exec(text) ?? [];
  const file = files.find((one) => one !== undefined);
  return input === undefined || file === undefined ? null : { path: file, value: input };
}

/** `/d/{a,b}/times` */
function alternatives(word: string): string[] {
  const [, head, list, tail] = /^([^{}$]*)\{([^{}]*,[^{}]*)\}(.*)$/.exec(word) ?? [];
  return list === undefined ? [word] : list.split(',').flatMap((one) => alternatives(`${head}${one}${tail}`));
}

function range(first: number, last: number): string[] {
  return Array.from({ length: Math.min(Math.max(last - first + 1, 0), MAX_ROUNDS) }, (_, i) => String(first + i));
}

/** The index of what closes the block that begins at `start`, or of the end of the script. */
function endOf(
  statements: readonly Statement[],
  start: number,
  { opens, closes }: { opens: RegExp; closes: RegExp },
): number {
  let depth = 1;
  for (let i = start + 1; i < statements.length; i++) {
    const { text } = statements[i]!;
    if (opens.test(text)) depth++;
    if (closes.test(text) && --depth === 0) return i;
  }
  return statements.length;
}
