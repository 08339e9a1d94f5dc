import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { PROFILE_NAMES, type ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { UsageError } from '../exit-code.js';
import { pathNamed } from '../path-option.js';
import { type Litmus, NO_CONDITIONS } from './litmus-file.js';
import { shippedTest } from './shipped-tests.js';

const VERSION = 'dme1';
const WHERE_FROM = '`dmirror explore` prints one an outcome, beginning with dme1:';

/** All that one schedule of a test depends on. */
export interface ScheduleId {
  readonly test: Litmus;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly choices: readonly number[];
}

/**
 * One word that repeats the schedule: `dme1:TEST:PATH:PROFILE:CHOICES`. A test that the package does not ship goes in packed. Choices are those off
 * the default: how many defaults come before each, in base 36, and behind an x which it is if it is not the first other one.
 */
export function scheduleToken({ test, path, profile, choices }: ScheduleId): string {
  const name = isShipped(test) ? test.name : `=${packed(test)}`;
  const words: string[] = [];
  let defaults = 0;
  for (const choice of choices) {
    if (choice === 0) defaults++;
    else {
      words.push(defaults.toString(36) + (choice === 1 ? '' : `x${choice}`));
      defaults = 0;
    }
  }
  return [VERSION, name, path, profile, words.join('.')].join(':');
}

/** The reverse. Throws UsageError, which says what part is wrong. */
export function parseScheduleToken(token: string): ScheduleId {
  const [version, name = '', path, profile, words, ...rest] = token.split(':');
  if (version !== VERSION) throw new UsageError(`'${token}' does not begin with ${VERSION}:`, WHERE_FROM);
  if (words === undefined || rest.length > 0)
    throw new UsageError(`'${token}' has not the five parts of a token`, WHERE_FROM);
  const known = PROFILE_NAMES.find((one) => one === profile);
  if (known === undefined)
    throw new UsageError(`no profile '${profile}' in the token`, `they are: ${PROFILE_NAMES.join(', ')}`);
  const test = name.startsWith('=') ? unpacked(name.slice(1), token) : shippedTest(name);
  return {
    test,
    path: pathNamed(path),
    profile: known,
    choices: words === '' ? [] : words.split('.').flatMap((word) => choicesOf(word, token)),
  };
}

function choicesOf(word: string, token: string): number[] {
  const [, defaults, choice = '1'] = /^([\da-z]+?)(?:x(\d+))?$/.exec(word) ?? [];
  if (defaults === undefined) throw new UsageError(`'${word}' is no choice in the token '${token}'`, WHERE_FROM);
  return [...new Array<number>(Number.parseInt(defaults, 36)).fill(0), Number(choice)];
}

function isShipped(test: Litmus): boolean {
  try {
    const { setup, threads, observe } = shippedTest(test.name);
    return (
      JSON.stringify({ setup, threads, observe }) ===
      JSON.stringify({ setup: test.setup, threads: test.threads, observe: test.observe })
    );
  } catch {
    return false;
  }
}

function packed({ name, setup, threads, observe }: Litmus): string {
  return deflateRawSync(JSON.stringify([name, setup, threads, observe]), { level: 9 }).toString('base64url');
}

function unpacked(text: string, token: string): Litmus {
  try {
    const [name, setup, threads, observe] = JSON.parse(inflateRawSync(Buffer.from(text, 'base64url')).toString());
    return { name, setup, threads, observe, conditions: NO_CONDITIONS, recorded: null };
  } catch {
    throw new UsageError(`the test in the token '${token}' is damaged`, WHERE_FROM);
  }
}
