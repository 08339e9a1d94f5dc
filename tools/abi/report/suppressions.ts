import { dirname } from 'node:path';
import { UsageError } from '../../exit-code.js';
import { globToRegExp } from '../../glob.js';
import { CLASS_NAMES, type Finding } from '../compare/finding.js';
import { schemaPath } from '../schemas.js';

/** A finding that is known and wanted. */
export interface Suppression {
  readonly class: string;
  /** The thing's name on either side; a pattern for several. */
  readonly name: string;
  /** Of folders: the header that it is in; any when left out. */
  readonly header?: string;
  /** Why it is wanted. */
  readonly reason: string;
  /** Last day on which it counts, as 2027-01-31. */
  readonly expires?: string;
}

export interface Suppressed {
  readonly findings: readonly Finding[];
  readonly suppressed: readonly { finding: Finding; reason: string }[];
  /** Suppressions that ran out, in words. */
  readonly expired: readonly string[];
}

/** Reads a suppression file: a JSON list, or an object that holds one beside its $schema. Throws UsageError that names the entry and what is wrong with it. */
export function parseSuppressions(file: string, text: string): Suppression[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`, FORM);
  }
  if (typeof list === 'object' && list !== null && 'suppressions' in list) list = list.suppressions;
  if (!Array.isArray(list)) throw new UsageError(`${file} holds no list`, FORM);
  return list.map((entry: unknown, i) => checked(entry, `${file}: suppression ${i + 1}`));
}

const patterns = new Map<string, RegExp>();

function nameOf({ name }: Suppression): RegExp {
  const known = patterns.get(name) ?? globToRegExp(name);
  patterns.set(name, known);
  return known;
}

const FORM =
  'its form is [{"class": "renumbered", "name": "HMM_DMIRROR_RELEASE", "reason": "...", "expires": "2027-01-31"}]';
const KEYS = new Set(['class', 'name', 'header', 'reason', 'expires']);

function checked(entry: unknown, where: string): Suppression {
  if (typeof entry !== 'object' || entry === null) throw new UsageError(`${where} is no object`, FORM);
  for (const [key, value] of Object.entries(entry)) {
    if (!KEYS.has(key)) throw new UsageError(`${where} has an unknown key '${key}'`, FORM);
    if (typeof value !== 'string') throw new UsageError(`${where}: ${key} is no text`, FORM);
  }
  const { class: kind, name, header, reason, expires } = entry as Partial<Suppression>;
  if (!kind || !name) throw new UsageError(`${where} names no class and thing`, FORM);
  if (!reason?.trim()) throw new UsageError(`${where} (${kind} ${name}) gives no reason`, 'say why it is wanted');
  if (expires !== undefined && !(/^\d{4}-\d{2}-\d{2}$/.test(expires) && !Number.isNaN(Date.parse(expires)))) {
    throw new UsageError(`${where}: '${expires}' is no day`, 'write it as 2027-01-31');
  }
  if (!(CLASS_NAMES as string[]).includes(kind))
    throw new UsageError(`${where}: there is no class '${kind}'`, `classes: ${CLASS_NAMES.join(', ')}`);
  return {
    class: kind,
    name,
    reason,
    ...(header !== undefined && { header }),
    ...(expires !== undefined && { expires }),
  };
}

/** A suppression file for findings that are known: each still lacks the reason, without which it is not read. */
export function suppressionsText(findings: readonly Finding[], file: string): string {
  const suppressions = findings.map((finding) => ({
    class: finding.class,
    ...(finding.header !== undefined && { header: finding.header }),
    name: (finding.new ?? finding.old)!.name,
    reason: '',
  }));
  return `${JSON.stringify({ $schema: schemaPath('suppressions', dirname(file)), suppressions }, null, 2)}\n`;
}

/** Takes out what is suppressed. Throws UsageError for a suppression that matches nothing: it would hide the next thing of that name. */
export function applySuppressions(
  findings: readonly Finding[],
  suppressions: readonly Suppression[],
  { today, isWhole = true }: { today: string; isWhole?: boolean },
): Suppressed {
  const kept: Finding[] = [];
  const suppressed: { finding: Finding; reason: string }[] = [];
  const used = new Set<Suppression>();
  const expired = new Set<string>();
  for (const finding of findings) {
    const found = suppressions.find(
      (s) =>
        s.class === finding.class &&
        (s.header === undefined || s.header === finding.header) &&
        [finding.old?.name, finding.new?.name].some((name) => name !== undefined && nameOf(s).test(name)),
    );
    if (found) used.add(found);
    if (found && (found.expires === undefined || found.expires >= today))
      suppressed.push({ finding, reason: found.reason });
    else kept.push(finding);
    if (found?.expires && found.expires < today)
      expired.add(`the suppression of ${found.class} ${found.name} ran out on ${found.expires}`);
  }
  const idle = suppressions.find((s) => !used.has(s));
  if (idle && isWhole) {
    throw new UsageError(
      `the suppression of ${idle.class} ${idle.name} matches nothing`,
      'remove it, or correct its class or name',
    );
  }
  return { findings: kept, suppressed, expired: [...expired] };
}
