import { crc32 } from 'node:zlib';
import { UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';

const VERSION = 'dm2';
/** Tokens without a check, which earlier versions printed, by what they begin with: the same parts in the same order. */
const OLD: Readonly<Record<string, TokenKindName>> = { dmf1: 'run', dmp1: 'plan' };
const KINDS = {
  race: 'a schedule of `dmirror explore`',
  run: 'a finding of `dmirror fault sweep`',
  plan: 'a result of `dmirror fault run`',
  case: 'a schedule of `dmirror selftest --explore`',
  program: 'a schedule of `explore()` of dmirror/explore',
  ops: 'a finding of `dmirror series`',
  job: 'a job of `dmirror campaign`',
  guest: 'a schedule of `dmirror exec --schedules`',
} as const;
export type TokenKindName = keyof typeof KINDS;

/** A part of a token: what it holds of a run, as text. `read` throws UsageError; it is told what the parts before it held. */
export interface Part<Id> {
  readonly name: string;
  text(id: Id): string;
  read(text: string, before: Partial<Id>): Partial<Id>;
}

/** One kind of run that a token can name. */
export class TokenKind<Id> {
  constructor(
    readonly name: TokenKindName,
    private readonly parts: readonly Part<Id>[],
  ) {}

  write(id: Id): string {
    const texts = this.parts.map((part) => part.text(id));
    return [VERSION, this.name, ...texts, texts.map(checkOf).join('')].join(':');
  }

  /** The reverse. Throws UsageError, which names the part that is wrong. */
  read(token: string): Id {
    const kind = tokenKind(token);
    if (kind !== this.name) throw new UsageError(`a token of the kind '${kind}' has no ${this.name}`, WHERE_FROM);
    const { texts, check } = this.split(token);
    let id: Partial<Id> = {};
    for (const [i, part] of this.parts.entries()) {
      try {
        id = { ...id, ...part.read(texts[i]!, id) };
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        throw new UsageError(`part '${part.name}' of the token: ${error.message}`, error.hint);
      }
    }
    for (const [i, { name }] of this.parts.entries()) {
      const text = texts[i]!;
      if (check !== null && check.slice(2 * i, 2 * i + 2) !== checkOf(text, i))
        throw new UsageError(
          `part '${name}' of the token: '${text}' is damaged, as the check at its end says`,
          WHERE_FROM,
        );
    }
    return id as Id;
  }

  private split(token: string): { texts: string[]; check: string | null } {
    const [version, ...words] = token.split(':');
    const isOld = version !== VERSION;
    const texts = isOld ? words : words.slice(1);
    const names = this.parts.map(({ name }) => name);
    if (!isOld) names.push('check');
    if (texts.length < names.length)
      throw new UsageError(`the token ends before its part '${names[texts.length]}'`, WHERE_FROM);
    if (texts.length > names.length)
      throw new UsageError(`the token has ':${texts[names.length]}' behind its last part`, WHERE_FROM);
    const check = isOld ? null : texts.pop()!;
    if (check !== null && check.length !== 2 * texts.length)
      throw new UsageError(`part 'check' of the token: '${check}' is cut or has too much`, WHERE_FROM);
    return { texts, check };
  }
}

const WHERE_FROM = 'a token is one word, printed with what it repeats, and begins with dm2:';

/** What kind of run a token names. Throws UsageError. */
export function tokenKind(token: string): TokenKindName {
  const [version = '', kind = ''] = token.split(':');
  if (Object.hasOwn(OLD, version)) return OLD[version]!;
  if (version !== VERSION)
    throw new UsageError(
      /^dm\w*\d+$/.test(version)
        ? `part 'version' of the token: ${version} is ${isNewer(version) ? 'of a newer dmirror, and not known here' : 'not read any more'}`
        : `'${token}' is no token`,
      WHERE_FROM,
    );
  if (Object.hasOwn(KINDS, kind)) return kind as TokenKindName;
  const all = Object.entries(KINDS).map(([name, what]) => `${name} (${what})`);
  throw new UsageError(
    `part 'kind' of the token: there is no kind '${kind}'${didYouMean(kind, Object.keys(KINDS))}`,
    `they are: ${all.join(', ')}`,
  );
}

/** Kinds that no command runs: why, and what does. */
const NOT_RUN = {
  program: [
    'the threads of this race are a program',
    'its call repeats the schedule: explore(race, { replay: TOKEN })',
  ],
  job: [
    'a job of a campaign is many runs',
    'a finding has a token of its own (`dmirror campaign report`); `dmirror exec --suite FOLDER --only PROGRAM` runs a program again',
  ],
} as const;

/** The same of what a command can run. Throws UsageError. */
export function runKind(token: string): Exclude<TokenKindName, keyof typeof NOT_RUN> {
  const kind = tokenKind(token);
  if (kind !== 'program' && kind !== 'job') return kind;
  const [why, wayOut] = NOT_RUN[kind];
  throw new UsageError(why, wayOut);
}

/** Is it meant to be a token rather than the name of a file? */
export function isToken(word: string): boolean {
  return /^dm\w?\d+:/.test(word);
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Two characters that another text would hardly have in that place. */
function checkOf(text: string, place: number): string {
  const sum = crc32(text, place + 1);
  return DIGITS[sum & 63]! + DIGITS[(sum >>> 6) & 63]!;
}

function isNewer(version: string): boolean {
  return Number(/^dm(\d+)$/.exec(version)?.[1] ?? 0) > Number(/\d+/.exec(VERSION)![0]);
}
