import { createHash } from 'node:crypto';
import type { Injection } from '../../driver/inject/injection.js';
import { UsageError } from '../exit-code.js';
import { packed, unpacked } from '../token/packed.js';
import { FAULTS, MACHINE, type TokenMachine } from '../token/parts.js';
import { SCHEDULE } from '../token/schedule.js';
import { type Part, TokenKind } from '../token/token.js';
import { type Litmus, NO_CONDITIONS } from './litmus-file.js';
import { shippedTest } from './shipped-tests.js';

/** All that one schedule of a test depends on. */
export interface RaceId extends TokenMachine {
  readonly test: Litmus;
  readonly injections: readonly Injection[];
  readonly choices: readonly number[];
}

/** A test that the package ships goes in by name, with some characters that tell what it was then; any other one packed. */
const TEST: Part<Pick<RaceId, 'test'>> = {
  name: 'test',
  text: ({ test }) => (isShipped(test) ? `${test.name}~${printOf(test)}` : `=${packed(textOf(test), OP_WORDS)}`),
  read: (text) => {
    if (text.startsWith('=')) return { test: testOf(unpacked(text.slice(1), OP_WORDS)) };
    const [name = '', print] = text.split('~');
    const test = shippedTest(name);
    if (print !== printOf(test))
      throw new UsageError(`'${name}' is another race than when the token was printed`, 'explore it anew');
    return { test };
  },
};

/** `dm2:race:TEST:MACHINE:FAULTS:SCHEDULE:CHECK` */
export const RACE_TOKEN = new TokenKind<RaceId>('race', [TEST, MACHINE, FAULTS, SCHEDULE]);

function isShipped(test: Litmus): boolean {
  try {
    return textOf(shippedTest(test.name)) === textOf(test);
  } catch {
    return false;
  }
}

function printOf(test: Litmus): string {
  return createHash('sha256').update(textOf(test)).digest('base64url').slice(0, 3);
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
