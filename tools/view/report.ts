import { isToken } from '../token/token.js';

/** Something that a report says: of what it is, what was found, and the token of the run that shows it, null without. */
export interface ReportLine {
  readonly name: string;
  readonly text: string;
  readonly token: string | null;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Findings in the JSON lines of `fault sweep`, `conform`, `explore` or `series`: wherever a token stands, with what is said beside it, and
 * answers that differ. Null: the text is no such report.
 */
export function reportOf(text: string): ReportLine[] | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const found: ReportLine[] = [];
  for (const line of lines) {
    const value = parsed(line);
    if (value === null) return null;
    collect(value, '', found);
  }
  return lines.length === 0 ? null : withoutTwins(found);
}

function parsed(line: string): Json | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Json) : null;
  } catch {
    return null;
  }
}

const NAMES = ['test', 'case', 'name', 'seq', 'job', 'race', 'plan'];
const TEXTS = ['what', 'message', 'outcome', 'cause', 'kind', 'property'];

/** `name` is of what stands around. */
function collect(value: Json, name: string, found: ReportLine[]): void {
  const own = nameOf(value) ?? name;
  const token = Object.values(value).find((of) => typeof of === 'string' && isToken(of)) as string | undefined;
  const text = textOf(value);
  if (token !== undefined) found.push({ name: own, text, token });
  else if (value.status === 'fail' || value.status === 'differs' || value.verdict === 'differs')
    found.push({ name: own, text, token: null });
  for (const of of Object.values(value).flat())
    if (typeof of === 'object' && of !== null) collect(of as Json, own, found);
}

function nameOf(value: Json): string | undefined {
  const key = NAMES.find((of) => typeof value[of] === 'string');
  return key === undefined ? undefined : String(value[key]);
}

function textOf(value: Json): string {
  const key = TEXTS.find((of) => typeof value[of] === 'string');
  const text = key === undefined ? JSON.stringify(value).slice(0, 200) : String(value[key]);
  return key === 'outcome' ? `comes to ${text}` : text.split('\n')[0]!;
}

/** A finding is often said in two places; that with the most words stays, at the place of the first. */
function withoutTwins(found: readonly ReportLine[]): ReportLine[] {
  const byToken = new Map<string, ReportLine>();
  return found.flatMap((line) => {
    if (line.token === null) return [line];
    const known = byToken.get(line.token);
    if (known !== undefined) return [];
    byToken.set(line.token, line);
    return [line];
  });
}
