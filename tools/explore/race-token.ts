import { createHash } from 'node:crypto';
import type { Injection } from '../../driver/inject/injection.js';
import { UsageError } from '../exit-code.js';
import { packed, unpacked } from '../token/packed.js';
import { FAULTS, MACHINE, type TokenMachine } from '../token/parts.js';
import { SCHEDULE } from '../token/schedule.js';
import { type Part, TokenKind } from '../token/token.js';
import { type Litmus, NO_CONDITIONS, readLitmusFile } from './litmus-file.js';
import { shippedTest } from './shipped-tests.js';

/** All that one schedule of a test depends on. */
export interface RaceId extends TokenMachine {
  readonly test: Litmus;
  readonly injections: readonly Injection[];
  readonly choices: readonly number[];
}

/** Of a token, at most so many characters. */
const ROOM = 199;
/** What stands before the print of a test that is not in the token. */
const BESIDE = '@';

/** A test that the package ships goes in by name, with some characters that tell what it was then; any other one packed. */
function testPart(file: string | undefined): Part<Pick<RaceId, 'test'>> {
  return {
    name: 'test',
    text: ({ test }) => (isShipped(test) ? `${test.name}~${printOf(test, 3)}` : `=${packed(textOf(test), OP_WORDS)}`),
    read: (text) => {
      if (text.startsWith(BESIDE)) return { test: testBeside(text.slice(BESIDE.length), file) };
      if (file !== undefined) throw new UsageError(`it has its test, and needs no '${file}'`, 'leave it out');
      if (text.startsWith('=')) return { test: testOf(unpacked(text.slice(1), OP_WORDS)) };
      const [name = '', print] = text.split('~');
      const test = shippedTest(name);
      if (print !== printOf(test, 3))
        throw new UsageError(`'${name}' is another race than when the token was printed`, 'explore it anew');
      return { test };
    },
  };
}

/** The test of a file that the token was printed for. */
function testBeside(print: string, file: string | undefined): Litmus {
  if (file === undefined)
    throw new UsageError('it is of a test too long for a token, whose file is missing', 'TOKEN FILE');
  const test = readLitmusFile(file).find((one) => printBeside(one) === print);
  if (test === undefined)
    throw new UsageError(`'${file}' has not the test that the token was printed for`, 'explore the file anew');
  return test;
}

/** `dm2:race:TEST:MACHINE:FAULTS:SCHEDULE:CHECK` */
export const RACE_TOKEN = {
  write(id: RaceId): string {
    return raceTokens(testPart(undefined)).write(id);
  },

  /** The same, or where the test is too long for it, a token beside which the test's file is to be given. */
  writeShort(id: RaceId): string {
    const whole = RACE_TOKEN.write(id);
    if (whole.length <= ROOM || id.test.file === undefined) return whole;
    return raceTokens({ ...testPart(undefined), text: ({ test }) => `${BESIDE}${printBeside(test)}` }).write(id);
  },

  /** `file`: of the test, where the token has only its print. Throws UsageError. */
  read(token: string, file?: string): RaceId {
    return raceTokens(testPart(file)).read(token);
  },
};

function raceTokens(test: Part<Pick<RaceId, 'test'>>): TokenKind<RaceId> {
  return new TokenKind<RaceId>('race', [test, MACHINE, FAULTS, SCHEDULE]);
}

/** A token, and the file of its test where that is to be given with it. */
export type TokenWords = readonly [token: string, ...file: string[]];

export function tokenWords(token: string, file: string | undefined): TokenWords {
  return file !== undefined && token.startsWith(`dm2:race:${BESIDE}`) ? [token, file] : [token];
}

function isShipped(test: Litmus): boolean {
  try {
    return textOf(shippedTest(test.name)) === textOf(test);
  } catch {
    return false;
  }
}

/** Characters that tell one test from all others. */
const PRINT = 16;

/** A file that was renamed has the same test. */
function printBeside(test: Litmus): string {
  return printOf({ ...test, name: '' }, PRINT);
}

function printOf(test: Litmus, characters: number): string {
  return createHash('sha256').update(textOf(test)).digest('base64url').slice(0, characters);
}

/** Name, set-up, observation and each thread, a line an op. */
function textOf({ name, setup, observe, threads }: Litmus): string {
  return [[name], setup, observe, ...threads].map((lines) => lines.join('\n')).join('\t');
}

function testOf(text: string): Litmus {
  const [name = '', setup = [], observe = [], ...threads] = text
    .split('\t')
    .map((part, i) => (i === 0 ? part : linesOf(part))) as [string, ...string[][]];
  return { name, setup, observe, threads, conditions: NO_CONDITIONS, recorded: null };
}

function linesOf(part: string): string[] {
  return part === '' ? [] : part.split('\n');
}

/** What ops are mostly; what is used most comes last. */
export const OP_WORDS = `gup 0 0 0 2 2 1 1
unpin 0
pin 0 0 0 2 1
exit 1
fork 0 1
load 1 0 0 1
close 0 0
remap 0 0 0 2 1 0 0
mapover 0 0 0 2 anon rw
protect 0 0 0 2 r
advise 0 0 0 512 HUGEPAGE
advise 0 0 0 2 POPULATE_WRITE
advise 0 0 0 2 PAGEOUT
advise 0 0 0 2 DONTNEED
unmap 0 0 0 2
load 0 0 0 2
dm 0 0 RELEASE 0 0 1
dm 0 0 CHECK_EXCLUSIVE 0 0 2
dm 0 0 EXCLUSIVE 0 0 2
dm 0 0 WRITE 0 0 2 0x40
dm 0 0 MIGRATE_TO_SYS 0 0 2
dm 0 0 MIGRATE_TO_DEV 0 0 2
open 0 0
open 0 1
map 0 0 0 2 shared rw
map 0 0 0 2 anon rw
store 0 0 0 2 0x10\tdm 0 0 SNAPSHOT 0 0 2
dm 0 1 SNAPSHOT 0 0 2
pagemap 0 0 0 2
load 0 0 0 1
load 0 0 1 1
dm 0 0 SNAPSHOT 0 0 2
dm 0 0 READ 0 0 2\tdm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2\tunmap 0 0 0 2`;
