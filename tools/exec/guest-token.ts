import { createHash } from 'node:crypto';
import type { InvariantChecks } from '../../driver/sys/machine/machine-options.js';
import { UsageError } from '../exit-code.js';
import { packed, unpacked } from '../token/packed.js';
import { MACHINE, type TokenMachine, wholeNumber } from '../token/parts.js';
import { type Part, TokenKind } from '../token/token.js';

/** What a program is run with and on. */
export interface GuestSetup extends TokenMachine {
  readonly args: readonly string[];
  /** Of the environment what the command line says. */
  readonly env: readonly string[];
  readonly ram: number;
  readonly swap: number;
  readonly hugepages: number;
  readonly invariants: InvariantChecks;
}

/** A schedule of `PctPolicy`. */
export interface PctSchedule {
  readonly seed: number;
  readonly depth: number;
  readonly steps: number;
}

/** All that one schedule of a program depends on, but for the file itself. */
export interface GuestId extends GuestSetup {
  /** `printOfProgram` of it. */
  readonly program: string;
  readonly schedule: PctSchedule;
}

/** Tells one program from others. */
export function printOfProgram(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
}

const PROGRAM: Part<GuestId> = { name: 'program', text: ({ program }) => program, read: (program) => ({ program }) };

const ARGUMENTS: Part<GuestId> = {
  name: 'arguments',
  text: ({ args, env }) =>
    args.length + env.length === 0 ? '' : packed([args, env].map((list) => list.join('\0')).join('\0\0')),
  read: (text) => {
    if (text === '') return { args: [], env: [] };
    const [args = [], env = []] = unpacked(text)
      .split('\0\0')
      .map((list) => (list === '' ? [] : list.split('\0')));
    return { args, env };
  },
};

const MEMORY: Part<GuestId> = {
  name: 'memory',
  text: ({ ram, swap, hugepages }) => [ram, swap, hugepages].join('.'),
  read: (text) => {
    const [ram = '', swap = '', hugepages = ''] = text.split('.');
    return { ram: wholeNumber(ram), swap: wholeNumber(swap), hugepages: wholeNumber(hugepages) };
  },
};

const CHECKS: Part<GuestId> = {
  name: 'invariants',
  text: ({ invariants }) => invariants,
  read: (text) => {
    const invariants = (['off', 'touched', 'all'] as const).find((name) => name === text);
    if (invariants === undefined) throw new UsageError(`'${text}' is not off, touched or all`, 'print the token anew');
    return { invariants };
  },
};

const PCT: Part<GuestId> = {
  name: 'schedule',
  text: ({ schedule: { seed, depth, steps } }) => [seed, depth, steps].join('.'),
  read: (text) => {
    const [seed = '', depth = '', steps = ''] = text.split('.');
    return { schedule: { seed: wholeNumber(seed), depth: wholeNumber(depth), steps: wholeNumber(steps) } };
  },
};

/** `dm2:guest:PROGRAM:ARGUMENTS:MACHINE:MEMORY:INVARIANTS:SEED.DEPTH.STEPS:CHECK` */
export const GUEST_TOKEN = new TokenKind<GuestId>('guest', [PROGRAM, ARGUMENTS, MACHINE, MEMORY, CHECKS, PCT]);
