import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { INJECT_POINTS, InjectPoint } from '../../../../driver/inject/inject-points.js';
import { replay } from '../../../../tools/commands/replay.js';
import { FAULT_POINTS } from '../../../../tools/fault/fault-points.js';
import { listPoints } from '../../../../tools/fault/list.js';
import { runPlans } from '../../../../tools/fault/plans/run-plans.js';
import { RUN_TOKEN } from '../../../../tools/fault/run-token.js';
import { type SweepCommand, sweep } from '../../../../tools/fault/sweep/sweep.js';
import { recordedOutput as output } from '../recorded-output.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-fault-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SWEEP: SweepCommand = {
  profile: '6.12',
  seed: 1,
  path: 'unified',
  all: false,
  pairs: 0,
  pages: 66,
  rounds: 2,
  workers: 0,
  defect: [],
  json: false,
  fresh: true,
  first: false,
};

describe('the catalogue', () => {
  it('numbers its points as kernel code names them', () => {
    const numbers = Object.values(InjectPoint);
    expect(numbers).toEqual(INJECT_POINTS.map((_, i) => i));
    expect(new Set(INJECT_POINTS.map(({ name }) => name)).size).toBe(INJECT_POINTS.length);
  });

  it('is listed with phases, what a rule can do there, and whose it is', async () => {
    const to = output();
    expect(await listPoints([], { json: false }, to)).toBe(0);
    const text = to.lines.join('\n');
    expect(text).toContain('phases: unmap; can: FAIL; profile: 6.12, 6.19, 7.3; since: M1');
    expect(text).toContain('phases: collect, call (6.12), evict; can: FAIL; profile: 6.12, 6.19, 7.3; since: M1');
    expect(text).toContain('phases: wire; can: CUT, bytes; profile: wire; since: protocol 1');
    expect(to.lines).toHaveLength(2 * FAULT_POINTS.length);
  });

  it('says on request only what can be hit in one profile', async () => {
    const to = output();
    expect(await listPoints([], { json: true, profile: '6.12' }, to)).toBe(0);
    const phases = Object.fromEntries(to.lines.map((line) => JSON.parse(line)).map((one) => [one.name, one.phases]));
    expect(phases.thp_split).toEqual(['call', 'collect']);
    expect(phases.thp_alloc).toEqual(['call', 'range-fault']);
    await expect(listPoints([], { json: true, profile: '6.13' }, output())).rejects.toThrow(/no profile '6.13'/);
  });

  it('knows what huge pages on a device add to a case', async () => {
    const to = output();
    const names = ['hmm.hmm_device_private.migrate_anon_huge_fault'];
    expect(await listPoints(names, { json: true, path: 'unified', profile: '7.3' }, to)).toBe(0);
    const reached = Object.fromEntries(to.lines.map((line) => JSON.parse(line)).map((one) => [one.name, one.reached]));
    expect(reached.thp_alloc.copy).toBeGreaterThan(0);
    expect(reached.folio_trylock).not.toHaveProperty('call');
  });

  it('says how often a case comes by each point', async () => {
    const to = output();
    expect(await listPoints(['hmm.hmm_device_private.migrate'], { json: true, path: 'unified' }, to)).toBe(0);
    const reached = Object.fromEntries(to.lines.map((line) => JSON.parse(line)).map((one) => [one.name, one.reached]));
    expect(reached.lru_isolate).toEqual({ unmap: 66 });
    expect(reached.swap_read).toEqual({ call: 0, 'range-fault': 0 });
    expect(reached.frame_cut.wire).toBeGreaterThan(5);
  });
});

describe('dmirror fault run', () => {
  const plan = 'tests/faults/plans/trylock-fails-on-page-3.yaml';

  it('says first which faults were injected, in the report and in each failure', async () => {
    const to = output();
    const junit = join(folder, 'results.xml');
    expect(await runPlans([plan], { defect: ['trylockLeak'], json: false, junit }, to)).toBe(1);
    expect(to.lines[0]).toBe('KTAP version 1');
    const comments = to.lines.filter((line) => line.startsWith('#'));
    expect(comments[0]).toMatch(/^# faults injected: .*folio_trylock in collect of MIGRATE_TO_DEV page 3/);
    expect(comments.filter((line) => line.startsWith('# faults injected: locked = folio_trylock'))).toHaveLength(2);
    expect(to.files.get(junit)).toContain('failures="1"');
  });

  it('passes without the defect, and tells as JSON', async () => {
    const to = output();
    expect(await runPlans([plan], { defect: [], json: true }, to)).toBe(0);
    expect(to.lines.map((line) => JSON.parse(line).status)).toEqual(['pass', 'pass']);
  });

  it('takes a seed with no further word in the plan, which decides who comes first', async () => {
    const file = join(folder, 'race.yaml');
    const stores = '[{ do: store, value: 1 }, { do: store, value: 2 }]';
    writeFileSync(
      file,
      `name: race\nmachine: { ram_mib: 16 }\nsetup: [{ do: map, pages: 1 }]\nsteps: [{ do: together, steps: ${stores} }, { do: load, expect: { memory: 2 } }]\n`,
    );
    const status = async (seed?: number): Promise<number> => {
      const options = { defect: [], json: false, path: 'classic' as const, ...(seed === undefined ? {} : { seed }) };
      return await runPlans([file], options, output());
    };
    const ends = await Promise.all(Array.from({ length: 12 }, (_, seed) => status(seed)));
    expect(new Set(ends)).toEqual(new Set([0, 1]));
    expect(await Promise.all(Array.from({ length: 12 }, (_, seed) => status(seed)))).toEqual(ends);
    expect(await status()).toBe(0);
  });

  it('refuses a plan and a defect that are not there', async () => {
    await expect(runPlans(['none.yaml'], { defect: [], json: false }, output())).rejects.toThrow(/none.yaml/);
    await expect(runPlans([plan], { defect: ['none'], json: false }, output())).rejects.toThrow(/no defect/);
  });
});

describe('dmirror fault sweep', () => {
  it('reports sites visited and never visited, and nothing else when all is well', async () => {
    const to = output();
    expect(await sweep(['hmm.hmm_device_private.open_close'], SWEEP, to)).toBe(0);
    expect(to.lines.slice(0, 3)).toEqual([
      'KTAP version 1',
      '1..1',
      expect.stringMatching(/^# faults injected: one a run/),
    ]);
    expect(to.lines.at(-1)).toMatch(/^# never visited: .*lru_isolate\/unmap/);
  });

  it('names fault, page, code path and token of a finding', async () => {
    const to = output();
    const found = { ...SWEEP, defect: ['trylockLeak'], first: true };
    expect(await sweep(['hmm.hmm_device_private.migrate'], found, to)).toBe(1);
    const text = to.lines.join('\n');
    expect(text).toContain('# faults injected: folio_trylock in collect of MIGRATE_TO_DEV, page 0');
    expect(text).toMatch(/# books: .*it is page 0x[0-9a-f]+ of process 1/);
    expect(text).toContain('# code path: freezeEntry < collectEntry');
    expect(text).toContain(
      'fault replay dm2:run:hmm.hmm_device_private.migrate:unified:1:66x2:trylockLeak:folio_trylock/collect/1/FAIL:',
    );
  });

  it('replays a token on another path, but for kinds that are of one alone', async () => {
    const never = { point: 'walk_abort', phase: 'range-fault', nth: 999, returns: 'EBUSY' } as const;
    const id = { profile: '6.12', seed: 1, pages: 8, rounds: 1, defects: [], injections: [never] } as const;
    const token = (path: 'unified' | 'posted-v1') =>
      RUN_TOKEN.write({ ...id, path, name: 'migrate_on_fault.rows.present' });
    const to = output();
    expect(await replay([token('posted-v1')], { path: 'unified' }, to)).toBe(0);
    expect(to.lines).toContain('# 1 of the faults did not happen: the run does not come there');
    expect(to.lines.at(-1)).toBe(`# on unified: ${token('unified')}`);
    await expect(replay(['dm2:case:x'], { path: 'unified' }, to)).rejects.toThrow(
      /'case' is of the path that it names/,
    );
  });

  it('says every ten seconds how far it is, where no line can be drawn', async () => {
    let ms = 0;
    const to = output(() => {
      ms += 10_000;
      return ms;
    });
    expect(await sweep(['hmm.hmm_device_private.open_close'], SWEEP, to)).toBe(0);
    const notes = to.talk.slice(0, -1);
    expect(notes.length).toBeGreaterThan(0);
    for (const note of notes)
      expect(note).toMatch(/^\d+ of (at least )?\d+ done, [\d.]+\/s(, .* left)?, 0 failed: unified hmm/);
  });

  it('writes JUnit, with seed and profile', async () => {
    const to = output();
    expect(await sweep(['hmm.hmm_device_private.open_close'], { ...SWEEP, junit: 'x.xml' }, to)).toBe(0);
    expect(to.files.get('x.xml')).toContain('<property name="seed" value="1"/>');
    expect(to.files.get('x.xml')).toContain('name="open_close"');
  });

  it('refuses a name that no case has', async () => {
    await expect(sweep(['nothing'], SWEEP, output())).rejects.toThrow(/no case matches/);
  });
});
