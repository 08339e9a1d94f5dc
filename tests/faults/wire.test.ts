import { afterEach, describe, expect, it, vi } from 'vitest';
import { Session } from '../../driver/daemon/session.js';
import { parsePlan } from '../../tools/fault/plans/plan-parse.js';
import { replayLines } from '../../tools/fault/replay.js';
import { wirePlan } from '../../tools/fault/wire/wire.js';
import { WIRE_POINTS } from '../../tools/fault/wire/wire-points.js';
import { runWireFault } from '../../tools/fault/wire/wire-socket.js';
import { definePlan, type Plan, type Rule, runPlan } from '../../tools/fault-api.js';
import { count, some, stride } from '../counts.js';

afterEach(() => void vi.restoreAllMocks());

const UNIFIED = { path: 'unified' } as const;

/** Two programs on one served machine, of which rules are about the first. */
function twoClients(rules: Rule[], steps: Plan['steps'] = []): Plan {
  return definePlan({
    name: 'two',
    machine: { ram_mib: 16 },
    setup: [
      { do: 'open' },
      { do: 'map', name: 'buf', pages: 8 },
      { do: 'store', on: 'buf', value: 100 },
      { do: 'session', name: 'other' },
      { do: 'process', name: 'q', session: 'other' },
      { do: 'open', process: 'q', name: 'theirs' },
      { do: 'map', process: 'q', name: 'mine', pages: 4 },
      { do: 'store', on: 'mine', value: 7 },
    ],
    rules,
    steps: [
      { do: 'migrate_to_dev', on: 'buf' },
      { do: 'load', on: 'mine', expect: { memory: 7, session: 'open', error: 'none' } },
      ...steps,
    ],
  });
}

describe('a rule about the interface', () => {
  it.each(WIRE_POINTS.filter((_, i) => i % stride(2, 6) === 0).map(({ name }) => name))(
    '(%s) strikes at each frame of a client, costs nobody else anything and leaves nothing',
    async (point) => {
      let struck = 0;
      for (let nth = 1; ; nth++) {
        const plan = wirePlan('each', [{ name: 'r', point, session: 'client', nth }]);
        const { fired, failures, violations } = await runPlan(plan, UNIFIED);
        expect([failures, violations]).toEqual([[], []]);
        if (fired.length === 0) break;
        expect(fired).toMatchObject([{ rule: 'r', point, page: expect.any(Number) }]);
        struck++;
      }
      expect(struck).toBe(13);
    },
  );

  it('takes the knobs of the kernel, in its order', async () => {
    const knobs = { probability: 100, interval: 2, times: 2, space: 3 };
    const loads = Array.from({ length: 10 }, () => ({ do: 'load', on: 'buf', pages: 0 }));
    const plan = twoClients([{ name: 'late', point: 'frame_delay', command: 'load', ...knobs }], loads);
    const { fired, status } = await runPlan(plan, UNIFIED);
    expect(status).toBe('pass');
    // Two frames are the budget, and of those that come then every second is late, twice.
    expect(fired.map(({ path }) => path[0])).toEqual(['frame 5 of session main', 'frame 7 of session main']);
  });

  it('is about one session unless it says otherwise', async () => {
    const rule: Rule = { name: 'r', point: 'frame_delay', command: 'load', times: -1 };
    const steps: Plan['steps'] = [{ do: 'load', on: 'buf' }];
    const firedBy = async (more: Partial<Rule>) =>
      (await runPlan(twoClients([{ ...rule, ...more }], steps), UNIFIED)).fired.map(({ pid }) => pid);
    expect(await firedBy({})).toEqual([1]);
    expect(await firedBy({ session: 'other' })).toEqual([2]);
    expect(await firedBy({ process: 'q' })).toEqual([2]);
    expect(await firedBy({ scope: 'machine' })).toEqual([2, 1]);
  });

  it.each([
    [{ device: 0 }, 1],
    [{ device: 1 }, 0],
    [{ fd: 'dev' }, 1],
    [{ fd: 'theirs', session: 'main' }, 0],
    [{ dialect: 'dmirror' }, 1],
    [{ dialect: 'M5' }, 0],
    [{ on: 'buf', pages: '7-7' }, 1],
    [{ on: 'mine' }, 0],
    [{ command: 'MIGRATE_TO_DEV' }, 1],
    [{ command: 'MIGRATE_TO_SYS' }, 0],
  ] as [Partial<Rule>, number][])('is narrowed by %j', async (where, times) => {
    const { fired } = await runPlan(twoClients([{ name: 'r', point: 'frame_twice', ...where }]), UNIFIED);
    expect(fired).toHaveLength(times);
  });

  it('can be a condition of a rule of the kernel, and the other way round', async () => {
    const late: Rule = { name: 'late', point: 'frame_delay', command: 'MIGRATE_TO_DEV' };
    const full: Rule = { name: 'full', point: 'device_page_alloc', page: 2, return: 'ENOMEM' };
    const names = async (rules: Rule[]) => (await runPlan(twoClients(rules), UNIFIED)).fired.map(({ rule }) => rule);
    expect(await names([late, { ...full, after: 'late' }])).toEqual(['late', 'full']);
    const again: Plan['steps'] = [{ do: 'migrate_to_sys', on: 'buf' }];
    const rules: Rule[] = [full, { name: 'gone', point: 'session_drop', command: 'MIGRATE_TO_SYS', after: 'full' }];
    const { fired } = await runPlan(twoClients(rules, again), UNIFIED);
    expect(fired.map(({ rule, point }) => [rule, point])).toEqual([
      ['full', 'device_page_alloc'],
      ['gone', 'session_drop'],
    ]);
  });

  it('drops the session at the page and step of the kernel that it says', async () => {
    const at = { point: 'device_copy', phase: 'copy', page: 5 } as const;
    const rules: Rule[] = [{ name: 'gone', point: 'session_drop', command: 'MIGRATE_TO_DEV', while: at }];
    const { fired, status } = await runPlan(twoClients(rules), UNIFIED);
    expect(status).toBe('pass');
    expect(fired).toMatchObject([{ point: 'session_drop', phase: 'copy', page: 5, command: 'MIGRATE_TO_DEV' }]);
    expect(fired[0]!.path).toContain('dmirrorMigrateAllocAndCopy');
  });

  it('lets an action in the kernel drop the session of somebody else', async () => {
    const rules: Rule[] = [{ name: 'gone', point: 'device_copy', page: 1, run: { do: 'drop', session: 'other' } }];
    const plan = {
      ...twoClients(rules),
      steps: [{ do: 'migrate_to_dev', on: 'buf', expect: { ret: 0, sessions: { other: 'ended' as const } } }],
    };
    expect(await runPlan(plan, UNIFIED)).toMatchObject({ status: 'pass', fired: [{ rule: 'gone' }] });
  });

  it('works on a selftest, whose machine is served then', async () => {
    const plan = (rule: Rule, error: string): Plan => ({
      name: 'suite',
      selftest: 'hmm.hmm_device_private.migrate',
      rules: [rule],
      expect: { error, fired: { r: 1 } },
    });
    const late: Rule = { name: 'r', point: 'frame_delay', nth: 4, delay: '3ms' };
    expect((await runPlan(plan(late, 'none'), UNIFIED)).failures).toEqual([]);
    const gone: Rule = {
      name: 'r',
      point: 'session_drop',
      command: 'MIGRATE_TO_DEV',
      while: { point: 'device_copy', page: 63 },
    };
    expect((await runPlan(plan(gone, 'disconnected'), UNIFIED)).failures).toEqual([]);
  });
});

describe('a token of a plan', () => {
  it.each(some(WIRE_POINTS, 3).map(({ name }) => name))('(%s) replays to the same bytes', async (point) => {
    const { token } = await runPlan(twoClients([{ name: 'r', point, command: 'MIGRATE_TO_DEV' }]), UNIFIED);
    const first = (await replayLines(token)).lines;
    expect(first.join('\n')).toMatch(new RegExp(`^# faults injected: r = ${point} in .*of MIGRATE_TO_DEV`));
    for (let i = 0; i < count(1, 20); i++) expect((await replayLines(token)).lines).toEqual(first);
  });
});

describe('what a plan with sessions finds', () => {
  const gone: Rule[] = [{ name: 'gone', point: 'session_drop', command: 'MIGRATE_TO_DEV' }];

  async function violations(plan: Plan): Promise<string[]> {
    return (await runPlan(plan, UNIFIED)).violations.map(({ kind, message }) => `${kind}: ${message}`);
  }

  it('is a process that outlives its session', async () => {
    vi.spyOn(Session.prototype, 'reap').mockReturnValue(true);
    expect(await violations(twoClients(gone))).toEqual(['session: 2 processes outlive their session']);
  });

  it('is a session that ends because another one does', async () => {
    const all: Session[] = [];
    const { end } = Session.prototype;
    vi.spyOn(Session.prototype, 'end').mockImplementation(function (this: Session, reason) {
      end.call(this, reason);
      for (const other of all) if (other !== this && other.state === 'open') other.dismiss('limit', 'a planted bug');
    });
    vi.spyOn(Session.prototype, 'assertRoom').mockImplementation(function (this: Session) {
      all.push(this);
    });
    expect(await violations(twoClients(gone))).toEqual([
      'session: session other got the error limit, but nothing struck it',
    ]);
  });

  it('is a call of a lost session that stays in the kernel', async () => {
    const held: Rule[] = [
      { name: 'gone', point: 'session_drop', command: 'MIGRATE_TO_DEV', while: { point: 'device_copy', page: 2 } },
    ];
    const plan = twoClients(held);
    expect(await violations(plan)).toEqual([]);
    vi.spyOn(Session.prototype, 'reap').mockImplementation(function (this: Session) {
      return true;
    });
    expect(await violations(plan)).toHaveLength(1);
  });
});

describe('a wrong rule about the interface', () => {
  const mistake = (rule: string): string => {
    const { errors } = parsePlan(`name: x\nsteps: []\nrules:\n  - ${rule}\n`);
    return errors.map(({ line, column, message }) => `${line}:${column} ${message}`).join('\n');
  };

  it.each([
    ['{ point: frame_cut, return: EIO }', '4:33 frame_cut cannot return EIO; it can return: CUT'],
    [
      '{ point: frame_cut, delay: 5ms }',
      "4:32 'delay' means nothing for frame_cut; it is for: frame_delay, slow_reader",
    ],
    ['{ point: frame_delay, bytes: 5 }', "4:34 'bytes' means nothing for frame_delay; it is for: frame_cut"],
    ['{ point: frame_twice, page: 5 }', "4:33 'page' means nothing for frame_twice"],
    ['{ point: frame_twice, run: { do: exit } }', "4:32 'run' means nothing for frame_twice"],
    [
      '{ point: [frame_twice, page_alloc] }',
      '4:14 frame_twice is a point of the interface, which shares a rule with others of it alone',
    ],
    ['{ point: page_alloc, return: ENOMEM, session: a }', "4:51 'session' is for points of the interface"],
    [
      '{ point: session_drop, while: { point: page_alloc } }',
      '4:35 page_alloc stands in an atomic step: no session can go there',
    ],
    [
      '{ point: session_drop, while: { point: device_copie } }',
      "4:44 'device_copie' is not known here (did you mean 'device_copy'?)",
    ],
  ])('%s is refused', (rule, wanted) => expect(mistake(rule)).toBe(wanted));

  it('is refused on a machine that shall not be served', () => {
    const { errors } = parsePlan('name: x\nmachine: { served: false }\nsteps: []\nrules: [{ point: frame_cut }]\n');
    expect(errors).toMatchObject([{ line: 2, message: 'rules and steps about sessions need a served machine' }]);
  });
});

describe('over sockets', () => {
  it.each(some(WIRE_POINTS, 3).map(({ name }) => name))(
    'a mistreated frame (%s) costs nobody else anything',
    async (kind) => {
      // A frame in the middle: the client has a process and an open device by then.
      const { frames, violations } = await runWireFault('unified', { kind, nth: 7 });
      expect(violations).toEqual([]);
      expect(frames).toBeGreaterThanOrEqual(7);
    },
  );
});
