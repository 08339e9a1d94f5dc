import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadPlan, parsePlan } from '../../tools/fault/plans/plan-parse.js';
import { definePlan, FAULT_POINTS, type Rule, runPlan, type Step } from '../../tools/fault-api.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { isLong, some } from '../counts.js';

const FOLDER = 'tests/faults/plans';
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

const results = new Map<string, ReturnType<typeof runPlan>>();

/** Each plan runs once a path. */
function shipped(file: string, path: PathName): ReturnType<typeof runPlan> {
  const key = `${file} ${path}`;
  const result = results.get(key) ?? runPlan(loadPlan(`${FOLDER}/${file}`), { path });
  results.set(key, result);
  return result;
}

const pathOf = (file: string): PathName => EQUAL_PATHS[FILES.indexOf(file) % 2]!;

describe('the shipped plans', () => {
  it('are at least 25', () => expect(FILES.length).toBeGreaterThanOrEqual(25));

  it.each(FILES)('%s holds on every path it is for', async (file) => {
    const plan = loadPlan(`${FOLDER}/${file}`);
    expect(`${plan.name}.yaml`).toBe(file);
    const paths = isLong ? EQUAL_PATHS : [pathOf(file)];
    for (const path of plan.machine?.path === undefined ? paths : [plan.machine.path]) {
      const { failures, violations, fired } = await shipped(file, path);
      expect(failures).toEqual([]);
      expect(violations).toEqual([]);
      expect(fired.length).toBeGreaterThan(0);
    }
  });
});

describe('a shipped plan', () => {
  it('is found by its name from anywhere, a wrong name gets the nearest', () => {
    expect(loadPlan('slow-copy')).toEqual(loadPlan(`${FOLDER}/slow-copy.yaml`));
    expect(() => loadPlan('slow-cop')).toThrow("no shipped plan is named 'slow-cop' (did you mean 'slow-copy'?)");
    expect(() => loadPlan('./slow-copy')).toThrow('it does not exist');
  });
});

describe('all plans together', () => {
  it('strike every point, those of the interface too', async () => {
    const left = new Set<string>(FAULT_POINTS.map(({ name }) => name));
    for (const file of FILES) {
      const { fired } = await shipped(file, loadPlan(`${FOLDER}/${file}`).machine?.path ?? pathOf(file));
      for (const { point } of fired) left.delete(point);
    }
    expect([...left]).toEqual([]);
  });

  it('are in the index of the manual', () => {
    const manual = readFileSync('docs/fault-injection.md', 'utf8');
    expect(FILES.filter((file) => !manual.includes(`\`${file}\``))).toEqual([]);
  });
});

/** The first mistake of a plan as `line:column message`. */
function mistake(source: string): string {
  const { errors } = parsePlan(source);
  return errors.length === 0 ? '' : `${errors[0]!.line}:${errors[0]!.column} ${errors[0]!.message}`;
}

describe('a wrong plan', () => {
  const rule = (text: string): string => `name: x\nsteps: []\nrules:\n  - ${text}\n`;

  it.each([
    ['name: x\nstep: []', "2:1 no key 'step' here (did you mean 'steps'?)"],
    [
      rule('{ point: folio_trilock, return: FAIL }'),
      "4:14 'folio_trilock' is not known here (did you mean 'folio_trylock'?)",
    ],
    [rule('{ point: page_alloc, return: EBUSY }'), '4:34 page_alloc cannot return EBUSY; it can return: ENOMEM'],
    [
      rule('{ point: page_alloc, delay: 5ms }'),
      '4:33 page_alloc stands in an atomic step: no delay and no action is possible there',
    ],
    [
      rule('{ point: lru_isolate, phase: copy, return: FAIL }'),
      '4:34 lru_isolate is never in phase copy; it is in: unmap',
    ],
    [
      rule('{ point: [page_alloc, thp_alocc], return: ENOMEM }'),
      "4:27 'thp_alocc' is not known here (did you mean 'thp_alloc'?)",
    ],
    [
      rule('{ point: [page_alloc, swap_read], return: EIO }'),
      '4:47 page_alloc cannot return EIO; it can return: ENOMEM',
    ],
    [
      rule('{ point: lru_isolate, caller: migrate_vma_pagse, return: FAIL }'),
      "4:35 no function 'migrate_vma_pagse' leads to a fault point (did you mean 'migrate_vma_pages'?)",
    ],
    [rule('{ point: [], return: EIO }'), '4:14 at least one is wanted here'],
    [rule('{ point: page_alloc }'), "4:5 a rule has a 'return', a 'delay' or a 'run'"],
    ['name: 3\nsteps: []', '1:7 text is wanted here'],
    ['name: x', "1:1 a plan has 'steps', or a 'selftest'"],
    [
      rule('{ point: thp_alloc, phase: copy, return: ENOMEM }'),
      '4:32 thp_alloc is never in phase copy in profile 6.12, but',
    ],
    [rule('{ point: device_copy, run: { do: open } }'), '4:38 a rule cannot run open; it can: read, write, '],
    [rule('{ point: lru_isolate, return: FAIL, bytes: 5 }'), "4:48 'bytes' means nothing for lru_isolate"],
    [
      rule('{ point: lru_isolate, addresses: 0x3000-0x1000, return: FAIL }'),
      '4:38 0x3000-0x1000 ends before it begins',
    ],
    ['name: x\nsteps: [{ do: open }, { do: open, minor: 1 }]', "2:29 there is an open device 'dev' already"],
    [
      'name: x\nsteps: [{ do: open, dialect: 5.8 }, { do: map }, { do: exclusive }]',
      '2:56 dialect M1 has no EXCLUSIVE',
    ],
    ['name: x\nsteps: [{ do: map, pages: 99999999999 }]', '2:27 a whole number from 0 to 65536 is wanted here'],
    ['name: x\nsteps: [{ do: map }, { do: load, pages: 0-99999999999 }]', '2:41 a mapping has 65536 pages at most'],
    ['name: x\nsteps: [{ do: map, pages: many }]', '2:27 a page, as 3, or pages, as 0-7, is wanted here'],
    [
      'name: x\nsteps: [{ do: load, expect: { ret: EFALT } }]',
      "2:36 'EFALT' is not known here (did you mean 'EFAULT'?)",
    ],
    ['name: x\nsteps: [{ do: load, expect: { ret: true } }]', '2:36 a number, or the name of an errno, is wanted here'],
    ['name: x\nsteps: [{ on: buf }]', "2:9 'do' is missing"],
    ['name: x\nsteps: [{ do: open }]\nextra: 1', "3:1 no key 'extra' here; there are: name, about, machine"],
    ['- name: x', '1:1 keys and values are wanted here'],
    ['name: x\nsteps: []\n---\nname: y', '3:1 a second document begins; a file has one'],
    ['name: x\nsteps: [{ do: map }, { do: load, pages: 3-1 }]', '2:41 pages end before they begin'],
    ['name: x\nmachine: { profile: 7.33 }\nsteps: []', "2:21 '7.33' is not known here (did you mean '7.3'?)"],
    ['name: x\nmachine: { ram_mib: 5 }\nsteps: []', '2:10 ramBytes is 5242880, not a multiple'],
    ['name: x\nsteps: []\nexpect: { ret: 0 }', "3:11 'ret' means nothing at the end"],
    ['name: [', '1:8'],
  ])('%j is refused at the right place', (source, wanted) =>
    expect(mistake(source).slice(0, wanted.length)).toBe(wanted),
  );
});

describe('a plan as an object', () => {
  const plan = definePlan({
    name: 'object',
    machine: { ram_mib: 16 },
    setup: [{ do: 'open' }, { do: 'map', name: 'buf', pages: 4 }, { do: 'store', on: 'buf', value: 9 }],
    rules: [{ name: 'r', point: 'folio_trylock', phase: 'collect', nth: 2, return: 'FAIL' }],
    steps: [{ do: 'migrate_to_dev', on: 'buf', expect: { ret: 0 } }],
  });

  it('runs, and says what was injected when it fails', async () => {
    const { status, failures, fired } = await runPlan(plan, { path: 'classic' });
    expect(status).toBe('fail');
    expect(failures).toEqual(['step 1 (migrate_to_dev): ret: expected 0, got -ENOENT']);
    expect(fired).toMatchObject([{ rule: 'r', point: 'folio_trylock', phase: 'collect', page: 1 }]);
  });

  it('counts the hits of several points together, and each returns what it can', async () => {
    const rule: Rule = { name: 'r', point: ['page_alloc', 'copy_to_user'], nth: 5, return: ['ENOMEM', 'EFAULT'] };
    const steps: Step[] = [{ do: 'migrate_to_dev', on: 'buf', expect: { ret: 'EFAULT' } }];
    const { status, fired } = await runPlan({ ...plan, rules: [rule], steps }, { path: 'classic' });
    expect(fired).toMatchObject([{ rule: 'r', point: 'copy_to_user' }]);
    expect(status).toBe('pass');
  });

  it.each<[Partial<Rule>, number]>([
    [{ addresses: '0x1000001000-0x1000003000' }, 2],
    [{ addresses: '0x1000001000-0x1000003000', on: 'buf', pages: '2-3' }, 1],
    [{ caller: 'migrate_vma_unmap' }, 4],
    [{ caller: 'migrateVmaUnmap' }, 4],
    [{ caller: 'migrateVmaPages' }, 0],
    [{ dialect: 'M5' }, 4],
    [{ dialect: '6.12' }, 4],
    [{ dialect: '5.8' }, 0],
  ])('narrowed to %j strikes %i times', async (where, count) => {
    const setup = plan.setup!.map((step) => (step.do === 'open' ? { ...step, dialect: '6.12' } : step));
    const rules: Rule[] = [{ name: 'r', point: 'lru_isolate', times: -1, return: 'FAIL', ...where }];
    const { fired } = await runPlan({ ...plan, setup, rules }, { path: 'classic' });
    expect(fired.length).toBe(count);
  });

  it.each(['migrate_vma_collect_pmd', 'migrate_vma_setup', 'dmirrorMigrateToDevice'])(
    'strikes below %s',
    async (caller) => {
      const rules: Rule[] = [{ point: 'folio_trylock', caller, times: -1, return: 'FAIL' }];
      const { fired } = await runPlan({ ...plan, rules }, { path: 'classic' });
      expect(fired.length).toBe(4);
    },
  );

  it('may expect that a call never returns, which else is told with who waits for what', async () => {
    const steps = (error?: string): Step[] => [{ do: 'fork' }, { do: 'wait', ...(error && { expect: { error } }) }];
    const run = (error?: string) => runPlan({ name: 'waits', steps: steps(error) }, { path: 'classic' });
    expect(await run('stuck')).toMatchObject({ status: 'pass', failures: [], violations: [] });
    expect((await run()).violations).toMatchObject([
      {
        kind: 'stuck',
        message: 'wait never returned: 1/1 in wait waits for child of 1',
      },
    ]);
    expect((await run('none')).status).toBe('fail');
  });

  it('is the same every time', async () => {
    const first = await runPlan(plan, { path: 'unified' });
    expect(await runPlan(plan, { path: 'unified' })).toEqual(first);
  });
});

describe('an action of somebody else in the middle of a migration', () => {
  const actions: Step[] = [
    { do: 'unmap', on: 'buf', pages: '2-3' },
    { do: 'protect', on: 'buf', prot: 'r' },
    { do: 'fork', name: 'child' },
    { do: 'store', on: 'buf', pages: 7, value: 500 },
    { do: 'load', on: 'buf', pages: 1 },
    { do: 'advise', on: 'buf', advice: 'dontneed' },
    { do: 'pin', on: 'buf', pages: 6 },
    { do: 'read', device: 'dev', on: 'buf' },
    { do: 'migrate_to_sys', device: 'dev', on: 'buf' },
    { do: 'exclusive', device: 'other', on: 'buf' },
    { do: 'kill', name: 'p' },
  ];

  it.each(actions)('$do leaves everything consistent', async (run) => {
    for (const verb of ['migrate_to_dev', 'migrate_on_fault_to_dev', 'migrate_to_sys']) {
      for (const point of ['device_copy', 'notifier_invalidate'] as const) {
        const plan = definePlan({
          name: run.do,
          machine: { ram_mib: 16 },
          setup: [
            { do: 'open' },
            { do: 'open', name: 'other', minor: 1 },
            { do: 'map', name: 'buf' },
            { do: 'store', on: 'buf' },
            ...(verb === 'migrate_to_sys' ? [{ do: 'migrate_to_dev', on: 'buf' }] : []),
          ],
          rules: [{ name: 'act', point, nth: 3, run }],
          steps: [{ do: verb, on: 'buf' }],
        });
        for (const path of some(EQUAL_PATHS, 2)) {
          const { violations } = await runPlan(plan, { path });
          expect(violations, `${verb} ${point} ${path}`).toEqual([]);
        }
      }
    }
  });
});
