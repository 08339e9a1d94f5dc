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
  for (const line of text.split('\n')) {
    const value = parsed(line);
    if (value === null) addTokens(line, found);
    else collect(value, '', found);
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

function addTokens(line: string, found: ReportLine[]): void {
  for (const word of line.split(/[\s'"`()<>,;]+/))
    if (isToken(word)) found.push({ name: '', text: line.replace(word, '').trim(), run: word });
}

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
