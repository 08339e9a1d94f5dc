// What the recordings contain: counts of ops, errnos and entry kinds, as the tables of docs/conformance.md and the README.

import { fileURLToPath } from 'node:url';
import { errnoName } from '../../uapi/errno.js';
import * as uapi from '../../uapi/hmm-dmirror.js';
import { FAMILIES } from './families.js';
import { readRecording, type Sequence } from './recording.js';

export interface Coverage {
  /** Sequences and ops by family. */
  readonly families: ReadonlyMap<string, { sequences: number; ops: number }>;
  /** By op, `dm MIGRATE_TO_DEV` for commands: how often, and how often with each errno or signal. */
  readonly ops: ReadonlyMap<string, { count: number; failures: Map<string, number> }>;
  /** Bytes of SNAPSHOT and digits of pagemap, by meaning. */
  readonly snapshot: ReadonlyMap<string, number>;
  readonly pagemap: ReadonlyMap<string, number>;
}

/** Counts everything in the recordings of the repository. */
export function countRecordings(): Coverage {
  const families = new Map<string, { sequences: number; ops: number }>();
  const ops = new Map<string, { count: number; failures: Map<string, number> }>();
  const snapshot = new Map<string, number>();
  const pagemap = new Map<string, number>();
  for (const family of Object.keys(FAMILIES)) {
    const file = fileURLToPath(new URL(`./recordings/${family}.jsonl.gz`, import.meta.url));
    const sequences = readRecording(file);
    families.set(family, { sequences: sequences.length, ops: opsOf(sequences) });
    for (const [op, answer] of sequences.flatMap(({ steps }) => steps)) {
      const words = op.split(' ');
      const name = words[0] === 'dm' ? `dm ${words[3]}` : words[0]!;
      countOp(ops, name, answer);
      if (name === 'dm SNAPSHOT') for (const byte of snapshotBytes(answer)) increment(snapshot, snapshotName(byte));
      if (name === 'pagemap') for (const digit of answer.split(' ')[1] ?? '') increment(pagemap, pagemapName(digit));
    }
  }
  return { families, ops, snapshot, pagemap };
}

function opsOf(sequences: readonly Sequence[]): number {
  return sequences.reduce((sum, { steps }) => sum + steps.length, 0);
}

function countOp(
  ops: Map<string, { count: number; failures: Map<string, number> }>,
  name: string,
  answer: string,
): void {
  const entry = ops.get(name) ?? { count: 0, failures: new Map<string, number>() };
  ops.set(name, entry);
  entry.count++;
  const ret = Number.parseInt(answer, 10);
  if (ret < 0) increment(entry.failures, failureName(ret));
}

const SIGNALS: Readonly<Record<number, string>> = { [-1011]: 'SIGSEGV', [-1007]: 'SIGBUS' };

function failureName(ret: number): string {
  return SIGNALS[ret] ?? errnoName(ret);
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function snapshotBytes(answer: string): number[] {
  return [...Buffer.from(answer.split(' ')[3] ?? '', 'hex')];
}

const DEVICE_KINDS: Readonly<Record<number, string>> = {
  [uapi.HMM_DMIRROR_PROT_ZERO]: 'zero page',
  [uapi.HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL]: 'own private device page',
  [uapi.HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE]: "another device's private page",
  [uapi.HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL]: 'own coherent device page',
  [uapi.HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE]: "another device's coherent page",
};

/** A SNAPSHOT byte in words. */
function snapshotName(byte: number): string {
  if (byte === uapi.HMM_DMIRROR_PROT_ERROR) return 'error';
  const kind = DEVICE_KINDS[byte & 0xf0] ?? '';
  const access = byte & uapi.HMM_DMIRROR_PROT_WRITE ? 'write' : byte & uapi.HMM_DMIRROR_PROT_READ ? 'read' : 'none';
  const level = byte & uapi.HMM_DMIRROR_PROT_PUD ? ' PUD' : byte & uapi.HMM_DMIRROR_PROT_PMD ? ' PMD' : '';
  return `${access}${level}${kind === '' ? '' : `, ${kind}`}`;
}

const PAGEMAP_BITS = ['present', 'swap or special', 'file or shared', 'exclusive'];

function pagemapName(digit: string): string {
  const bits = Number.parseInt(digit, 16);
  const names = PAGEMAP_BITS.filter((_, i) => bits & (1 << i));
  return names.length === 0 ? 'nothing' : names.join(', ');
}
