import { contentOf } from '../../../driver/check/content.js';
import { errnoName } from '../../../uapi/errno.js';
import { decodeResult } from '../../../uapi/hmm-dmirror.js';
import type { Issued } from './plan-door.js';
import type { Expect, Step } from './plan-schema.js';
import type { PlanWorld } from './plan-world.js';

const PAGE_SIZE = 4096;

/** Counters of page table work before a step. */
export interface StatsBefore {
  readonly walks: number;
  readonly resumptions: number;
  readonly remoteFaults: number;
}

/** What a step's expectation finds wrong, one line each. */
export function checkExpect(
  expect: Expect,
  { step, issued, world, before }: { step: Step; issued: Issued; world: PlanWorld; before: StatsBefore },
): string[] {
  const { result, error } = issued;
  const wrong: string[] = [];
  const compare = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== undefined && wanted !== got) wrong.push(`${what}: expected ${wanted}, got ${got}`);
  };
  if (expect.ret !== undefined)
    compare('ret', retText(expect.ret), result === null ? (error ?? 'no return') : retText(result.ret));
  compare('signal', expect.signal, result?.signal?.signo ?? 0);
  if (expect.cpages !== undefined || expect.faults !== undefined) {
    const record = result?.ret === 0 && result.bytes ? decodeResult(result.bytes) : { cpages: 0, faults: 0 };
    compare('cpages', expect.cpages, record.cpages);
    compare('faults', expect.faults, record.faults);
  }
  const { stats } = world.machine;
  compare('walks', expect.walks, stats.walks - before.walks);
  compare('resumptions', expect.resumptions, stats.resumptions - before.resumptions);
  compare('remote_faults', expect.remote_faults, stats.remoteFaults - before.remoteFaults);
  checkMemory(expect, { step, world, compare });
  if (expect.error !== undefined) compare('error', expect.error, error ?? 'none');
  checkFired(expect, world, compare);
  checkSessions(expect, world, compare, step);
  return wrong;
}

type Compare = (what: string, wanted: unknown, got: unknown) => void;

/** What has become of the sessions that are named, and of the step's own. */
export function checkSessions(
  { session, sessions = {} }: Expect,
  world: PlanWorld,
  compare: Compare,
  step?: Step,
): void {
  const stateOf = (name: string): string => (world.session(name).isOver ? 'ended' : 'open');
  for (const [name, state] of Object.entries(sessions)) compare(`session '${name}'`, state, stateOf(name));
  if (session === undefined || step === undefined) return;
  const own = step.session ?? world.sessionNameOf(step);
  compare(`session '${own}'`, session, stateOf(own));
}

export function checkFired({ fired = {} }: Expect, world: PlanWorld, compare: Compare): void {
  for (const [name, count] of Object.entries(fired)) {
    const got = world.machine.kernel.inject.fired.filter(({ rule }) => rule === name).length;
    compare(`rule '${name}' fired`, count, got);
  }
}

function checkMemory(
  expect: Expect,
  { step, world, compare }: { step: Step; world: PlanWorld; compare: Compare },
): void {
  if (
    expect.memory === undefined &&
    expect.data === undefined &&
    expect.page_table === undefined &&
    expect.snapshot === undefined
  )
    return;
  const map = world.map(step.on);
  const { addr, npages, mirror } = world.range(step);
  const process = world.process(step.process ?? map.process);
  const first = (addr - map.addr) / PAGE_SIZE;
  for (const [what, at, value] of [
    ['memory', addr, expect.memory],
    ['data', mirror, expect.data],
  ] as const) {
    if (value === undefined) continue;
    for (let i = 0; i < npages; i++) {
      const page = bufferOf(contentOf(process.mm, at / PAGE_SIZE + i));
      // Shared anonymous memory is in its file as long as no entry names it.
      compare(`${what} of page ${first + i}`, value + first + i, page?.readUInt32LE(0) ?? 'nothing');
    }
  }
  if (expect.page_table !== undefined)
    compare(
      'page table',
      expect.page_table.trim(),
      world.machine.pageTableText(process, addr, addr + npages * PAGE_SIZE),
    );
  if (expect.snapshot !== undefined) {
    const bytes = bufferOf(contentOf(process.mm, mirror / PAGE_SIZE))?.subarray(0, npages);
    compare('snapshot', String(expect.snapshot), bytes?.toString('hex'));
  }
}

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function retText(ret: number | string): string {
  if (typeof ret === 'string') return ret.startsWith('-') ? ret : `-${ret}`;
  return ret < 0 ? `-${errnoName(ret)}` : String(ret);
}
