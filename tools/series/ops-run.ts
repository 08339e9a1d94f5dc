import type { Machine } from '../../driver/sys/machine/machine.js';
import { type Judged, Replayer } from '../../tests/conform/replay.js';
import { UsageError } from '../exit-code.js';
import { opError } from '../explore/litmus-op.js';
import { OP_WORDS } from '../explore/race-token.js';
import { packed, unpacked } from '../token/packed.js';
import { MACHINE, type TokenMachine } from '../token/parts.js';
import { type Part, TokenKind } from '../token/token.js';

/** Ops of the recordings' language, one after the other, and what they run on. */
export interface OpsId extends TokenMachine {
  readonly ops: readonly string[];
}

/** Enough for every family of the generator. */
const MEMORY = { ramBytes: 64 << 20, swapBytes: 16 << 20, hugePages: 4 };

const AS_IN = "as in 'open 0 0; map 0 0 0 1 anon rw; store 0 0 0 1 100'";

type OnMachine = (machine: Machine) => void;

const OPS: Part<Pick<OpsId, 'ops'>> = {
  name: 'ops',
  text: ({ ops }) => packed(ops.join('\n'), OP_WORDS),
  read: (text) => ({ ops: unpacked(text, OP_WORDS).split('\n') }),
};

/** `dm2:ops:MACHINE:OPS:CHECK` */
export const OPS_TOKEN = new TokenKind<OpsId>('ops', [MACHINE, OPS]);

/** Ops as a command line has them, with ';' between. Throws UsageError. */
export function opsIn(text: string): string[] {
  const ops = text.split(';').flatMap((op) => op.trim().replace(/\s+/g, ' ') || []);
  if (ops.length === 0) throw new UsageError('there are no ops', AS_IN);
  for (const [i, op] of ops.entries()) {
    const error = opError(op);
    if (error !== null) throw new UsageError(`op ${i + 1}: ${error}`, AS_IN);
  }
  return ops;
}

/** The first thing that must not be. The machine is handed to `onMachine` before its first op. */
export function judgeOps(id: OpsId, onMachine: OnMachine = () => {}): Judged | null {
  return new Replayer({ ...machineOf(id), isJudged: true, onMachine }).judge('ops-0', id.ops);
}

function machineOf({ path, profile, dialect }: OpsId) {
  return { path, machine: { ...MEMORY, profile, ...(dialect === undefined ? {} : { dialect }) } };
}

/** What each op answers, up to the first after which something must not be, and that. */
export function opsLines(
  id: OpsId,
  onMachine?: OnMachine,
): { readonly lines: readonly string[]; readonly isWrong: boolean } {
  const { ops, path } = id;
  const judged = judgeOps(id, onMachine);
  const shown = judged === null ? ops : ops.slice(0, judged.at);
  const { sequence } = new Replayer(machineOf(id)).record('ops-0', shown);
  const answers = sequence.steps.map(([op, answer]) => `${op} => ${answer}`);
  if (judged === null) return { lines: [...answers, `${ops.length} ops on ${path}: nothing is wrong`], isWrong: false };
  const { kind, message } = judged.violation;
  return { lines: [...answers, ops[judged.at]!, `${path}: ${kind}: ${message}`], isWrong: true };
}
