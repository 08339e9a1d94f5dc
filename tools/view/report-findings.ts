import type { PathName } from '../../uapi/path-name.js';
import type { SequenceId } from '../recording/record-sequence.js';
import { isToken } from '../token/token.js';

/** Something that a report says: of what it is, what was found, and which run shows it: a token, or a sequence whose answers differ. */
export interface ReportLine {
  readonly name: string;
  readonly text: string;
  readonly run: string | SequenceId;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Findings in what `fault sweep`, `conform`, `explore` or `series` print, as JSON lines or as text: wherever a token stands, with what is
 * said beside it, and sequences that differ.
 */
export function reportLines(text: string): ReportLine[] {
  const found: ReportLine[] = [];
  const before = new LinesBefore();
  for (const line of text.split('\n')) {
    const value = parsed(line);
    if (value !== null) collect(value, '', found);
    else before.addFindings(line, found);
  }
  const seen = new Set<string>();
  return found.filter(({ run }) => typeof run !== 'string' || (!seen.has(run) && seen.add(run)));
}

function parsed(line: string): Json | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Json;
  } catch {
    return null;
  }
}

/** Lines of a report that is a text: what a token is for stands before it. */
class LinesBefore {
  /** Of a review: a number, a name in brackets, and the words below. */
  private heading = '';
  private isInHeading = false;
  private last = '';
  /** Of a sequence: the op that differs. */
  private op = '';

  addFindings(line: string, found: ReportLine[]): void {
    const text = line.replace(/^#/, '').trim();
    const [, path] = /--path (\S+)/.exec(line) ?? [];
    const [, file, seq] = /dmirror conform (\S+) --seq (\S+)/.exec(line) ?? [];
    const words = line.split(/[\s'"`()<>,;]+/).filter(isToken);
    for (const run of words) found.push({ name: run.split(/[:~]/)[2] ?? '', text: this.textOf(text, run), run });
    if (file !== undefined && this.op !== '')
      found.push({ name: seq!, text: this.op, run: { file, seq: seq!, path: (path ?? 'classic') as PathName } });
    this.remember(text, words.length > 0);
  }

  private textOf(text: string, token: string): string {
    const rest = text.replace(token, '').replace(/(replay: )?(npx --no-install )?dmirror [a-z -]*replay/, '');
    const own = rest.replace(/^['"`\s,]+|['"`\s,]+$/g, '');
    return [this.heading || this.last, own].filter(Boolean).join('; ');
  }

  private remember(text: string, hasToken: boolean): void {
    if (text.startsWith('! ')) this.op = text.slice(2);
    const [, heading] = /^\d+\. \[(.*)\]$/.exec(text) ?? [];
    if (heading !== undefined) this.heading = `${heading}:`;
    else if (this.isInHeading && text !== '' && !/^(Cause|Where): /.test(text)) this.heading += ` ${text}`;
    this.isInHeading = heading !== undefined || (this.isInHeading && !/^$|^(Cause|Where): /.test(text));
    if (text !== '' && !hasToken && !BESIDE.test(text)) this.last = text;
  }
}

/** What is said of a finding, but not what it is. */
const BESIDE = /^(seen after|code path|faults injected|runs|replay): /;

const NAMES = ['test', 'case', 'name', 'seq', 'job', 'race', 'plan'];
const TEXTS = ['what', 'message', 'outcome', 'cause', 'kind', 'property'];

/** `name` is of what stands around. */
function collect(value: Json, name: string, found: ReportLine[]): void {
  const own = NAMES.map((key) => value[key]).find((of) => typeof of === 'string') ?? name;
  const token = Object.values(value).find((of) => typeof of === 'string' && isToken(of));
  if (token !== undefined) found.push({ name: String(own), text: textOf(value), run: String(token) });
  const { seq, file, status, rerun, op, expected, actual } = value;
  if (status === 'fail' && typeof seq === 'string' && typeof file === 'string') {
    const path = (/--path (\S+)/.exec(String(rerun))?.[1] ?? 'classic') as PathName;
    found.push({ name: seq, text: `${op}: ${actual}, recorded ${expected}`, run: { file, seq, path } });
  }
  for (const of of Object.values(value).flat())
    if (typeof of === 'object' && of !== null) collect(of as Json, String(own), found);
}

function textOf(value: Json): string {
  const key = TEXTS.find((of) => typeof value[of] === 'string');
  const text = key === undefined ? JSON.stringify(value).slice(0, 200) : String(value[key]);
  return key === 'outcome' ? `comes to ${text}` : text.split('\n')[0]!;
}
