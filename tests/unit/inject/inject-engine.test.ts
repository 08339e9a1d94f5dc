import { beforeEach, describe, expect, it } from 'vitest';
import type { Effect } from '../../../driver/core/effect.js';
import { faultAttr } from '../../../driver/inject/fault-attr.js';
import { hitsAt, InjectEngine, type InjectRule } from '../../../driver/inject/inject-engine.js';
import { InjectPoint, Phase } from '../../../driver/inject/inject-points.js';
import { testKernel } from '../helpers.js';

const { pageAlloc, swapRead, copyToUser } = InjectPoint;

function rule(more: Partial<InjectRule> = {}): InjectRule {
  const base = { name: 'r', where: { points: [pageAlloc] }, attr: faultAttr(), nth: 0, after: null };
  return { ...base, returns: { [pageAlloc]: -12, [swapRead]: -5 }, bytes: 0, delayTicks: 0, run: null, ...more };
}

describe('the engine', () => {
  const host = { current: testKernel().scheduler.newTask('p'), clock: { nowTicks: 7 } };
  let engine: InjectEngine;
  const arm = (...rules: InjectRule[]): void => engine.arm(rules, { seed: 1 });
  const call = (name = 'ioctlBytes', args: readonly unknown[] = [3]): void =>
    engine.beginCall(host.current, { pid: 1, tid: 2, name, args });

  beforeEach(() => {
    engine = new InjectEngine(host);
    call();
  });

  it('strikes as often as the attribute says, in the order of the rules, and writes down where', () => {
    arm(rule({ attr: faultAttr({ times: 2 }) }), rule({ name: 's', returns: { [pageAlloc]: -14 } }));
    engine.enter(Phase.copy);
    expect([0, 0, 0, 0].map(() => engine.hit(pageAlloc, 0x5000))).toEqual([-12, -12, -14, 0]);
    expect(engine.fired.map(({ rule, point, phase, addr, tick }) => [rule, point, phase, addr, tick])).toEqual([
      ['r', 'page_alloc', 'copy', 0x5000, 7],
      ['r', 'page_alloc', 'copy', 0x5000, 7],
      ['s', 'page_alloc', 'copy', 0x5000, 7],
    ]);
  });

  it('counts the hits of all points of a rule together for nth', () => {
    arm(rule({ where: { points: [pageAlloc, swapRead] }, nth: 3 }));
    expect([pageAlloc, swapRead, swapRead, pageAlloc].map((point) => engine.hit(point))).toEqual([0, 0, -5, 0]);
  });

  it.each([
    ['phase', { phase: Phase.map }],
    ['pid', { pid: 9 }],
    ['fd', { fd: 4 }],
    ['file', { file: 1 }],
    ['device', { device: 1 }],
    ['command', { command: 'READ' }],
    ['dialect', { dialect: 'M1' }],
    ['page', { page: 2 }],
    ['range', { range: { start: 0x9000, end: 0xa000 } }],
    ['caller', { caller: new Set(['nobody']) }],
  ])('strikes nothing of another %s, and that once it is the one', (_, where) => {
    arm(rule({ where: { points: [pageAlloc], ...where } }));
    engine.begins(0x1000);
    expect(engine.hit(pageAlloc, 0x1000)).toBe(0);
    call('ioctlBytes', [4]);
    engine.begins(0x7000);
    engine.enter(Phase.map);
    Object.assign(engine.context!, { pid: 9, file: 1, device: 1, command: 'READ', dialect: 'M1' });
    function nobody(): number {
      return engine.hit(pageAlloc, 0x9000);
    }
    expect(nobody()).toBe(-12);
    expect(engine.fired[0]!.path[0]).toBe('nobody');
  });

  it('waits for the rule that comes before, and for whoever says when', () => {
    let isReady = false;
    arm(rule({ name: 'second', after: 'first' }), rule({ name: 'first', returns: {}, isReady: () => isReady }));
    expect(engine.hit(pageAlloc)).toBe(0);
    expect(engine.fired).toEqual([]);
    isReady = true;
    expect([engine.hit(pageAlloc), engine.hit(pageAlloc)]).toEqual([0, -12]);
    expect(engine.fired.map(({ rule }) => rule)).toEqual(['first', 'second']);
  });

  it('sleeps and runs an action at a point that may, before it returns', () => {
    const ran: string[] = [];
    arm(
      rule({
        where: { points: [swapRead] },
        delayTicks: 5,
        *run({ pid }) {
          ran.push(`of ${pid}`);
        },
      }),
    );
    const reached = engine.reach(swapRead, 0x2000);
    const effects: Effect[] = [];
    let step = reached.next();
    for (; !step.done; step = reached.next()) effects.push(step.value);
    expect(effects.map(({ kind }) => kind)).toEqual(['sleep', 'preempt']);
    expect([ran, step.value]).toEqual([['of 1'], -5]);
  });

  it('hands on the bytes that a copy still does', () => {
    arm(rule({ where: { points: [copyToUser] }, bytes: 100, returns: { [copyToUser]: -14 } }));
    expect([engine.hit(copyToUser), engine.bytes]).toEqual([-14, 100]);
  });

  it('is quiet at points that no rule is about, and counts them', () => {
    engine.arm([rule()], { seed: 1, counts: true });
    expect([engine.isQuiet(pageAlloc), engine.isQuiet(swapRead), engine.isQuiet(swapRead)]).toEqual([
      false,
      true,
      true,
    ]);
    engine.hit(pageAlloc);
    expect(engine.siteCounts().map(({ point, phase, hits }) => [point, phase, hits])).toEqual([
      [pageAlloc, Phase.call, 1],
      [swapRead, Phase.call, 2],
    ]);
    expect(hitsAt(engine.hitCounts(), swapRead, Phase.call)).toBe(2);
  });

  it('goes on with rules as if they had been there while it counted', () => {
    engine.arm([], { seed: 1, counts: true });
    engine.hit(pageAlloc);
    engine.hit(pageAlloc);
    engine.resume([rule({ where: { points: [pageAlloc], phase: Phase.call }, nth: 4 })]);
    expect([engine.hit(pageAlloc), engine.hit(pageAlloc)]).toEqual([0, -12]);
  });

  it('notes the first and the last page of chunks as edges', () => {
    engine.arm([], { seed: 1, counts: true });
    engine.begins(0x1000_0000);
    for (let page = 0; page < 130; page++) engine.hit(pageAlloc, 0x1000_0000 + page * 4096);
    expect(engine.siteCounts()[0]!.edges).toEqual([64, 65, 128, 129]);
  });

  it('serves a CPU as a command of its own, and goes back', () => {
    arm();
    const restore = engine.serveCpu(2, 1, 0x4000)!;
    expect(engine.context).toMatchObject({ command: 'cpu-fault', file: 2, device: 1, page: 0 });
    restore();
    expect(engine.context).toMatchObject({ command: 'ioctlBytes', file: -1, device: -1 });
  });

  it('ends what lasts as long as the call, and nothing strikes outside of one', () => {
    const ended: number[] = [];
    engine.context!.atEnd.push(() => ended.push(1));
    engine.endCall(host.current);
    engine.endCall(host.current);
    expect(ended).toEqual([1]);
    const nobody = new InjectEngine();
    nobody.arm([rule()], { seed: 1 });
    expect(nobody.hit(pageAlloc)).toBe(0);
  });
});
