import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { GUEST_TOKEN, printOfProgram } from '../../../../tools/exec/guest-token.js';
import { historyFile, readHistory, writeHistory } from '../../../../tools/recording/debug-history.js';
import { DebugSession } from '../../../../tools/recording/debug-session.js';
import { explainLines } from '../../../../tools/recording/explain.js';
import { record, type WhichRun } from '../../../../tools/recording/record.js';
import { COMPILER, GuestBuild } from '../../../guest/compile.js';
import { needs } from '../../../needs.js';

const RUN: WhichRun = { path: 'classic', profile: '6.12', seed: 1, dialect: 'dmirror', defects: [] };

describe('DebugSession', () => {
  let session: DebugSession;
  beforeAll(async () => {
    session = new DebugSession(await record(['mig-unmap'], { ...RUN, witness: '-2 0 0' }));
  });
  const run = (line: string): string => session.run(line).join('\n');

  it('goes to conditions and back, and stands at the step after which they hold', () => {
    run('goto 0');
    expect(run('continue entry 0 changes')).toMatch(/entry 0-1: PRESENT W 50-51 -> MIG-W 50-51$/m);
    const { step } = session;
    expect(run('print entry 0')).toBe('entry 0: MIG-W 50');
    expect(run('back')).toContain(`step ${String(step - 1).padStart(4)}`);
    expect(run('p entry 0')).toBe('entry 0: PRESENT W 50');
    run('continue entry 0 changes');
    expect(session.step).toBe(step);
    run('c');
    expect(run('p entry 0')).toBe('entry 0: NONE');
    run('reverse-continue refcount 50 = 0');
    expect(run('print folio 50')).toMatch(/refcount 0,/);
    expect(run('rc event MIGRATE')).toMatch(/notifier MIGRATE/);
    expect(run('c function zapPteRange')).toMatch(/entry 0: DPRIV-W \d+ -> NONE/);
    expect(run('rc event MIGRATE')).toMatch(/notifier MIGRATE/);
    expect(run('c task B runs')).toMatch(/^step +\d+ B/);
    expect(run('rc lock folio 50')).toMatch(/lock of folio 50-51: free -> A/);
  });

  it('prints what there is at a step', () => {
    run('goto 0');
    run('c entry 0 changes');
    expect(run('print page table')).toMatch(
      /^mm 1 of process 1\n {2}0x1000000000-0x1000002000 rw-p\n {4}0-1 +MIG-W 50-51$/m,
    );
    expect(run('print vmas')).toMatch(/0x1000000000-0x1000002000 rw-p 2 pages/);
    expect(run('print locks')).toBe(
      'A holds mmap_lock, folio_lock x2\nfolio 50 is locked by A\nfolio 51 is locked by A',
    );
    expect(run('print tasks')).toMatch(
      /^A \(1\/1\) runnable in MIGRATE_TO_DEV, holds mmap_lock, folio_lock x2\n {2}mnItreeInvEnd < /,
    );
    expect(run('print notifier')).toBe('mm 1: sequence 3 (odd: an invalidation runs), 1 running');
    expect(run('print mirror')).toMatch(/^file 0 of device 0, mm 1: empty$/m);
  });

  it('says who made every change', () => {
    const lines = run('why entry 0').split('\n');
    const made = lines.map((line) => /step +\d+ (\w) entry 0: (.*) -> (.*?) {2}by (\w+)/.exec(line)?.slice(1) ?? []);
    expect(made.filter(({ length }) => length > 0)).toEqual([
      ['A', 'PRESENT W 50', 'MIG-W 50', 'freezeEntry'],
      ['A', 'MIG-W 50', expect.stringMatching(/^DPRIV-W/), 'removeMigrationPte'],
      ['B', expect.stringMatching(/^DPRIV-W/), 'NONE', 'zapPteRange'],
    ]);
  });

  it.each([
    ['stpe', "there is no command 'stpe' (did you mean 'step'?)"],
    ['continue entri 3 changes', "'entri 3 changes' is no condition (did you mean 'entry N changes'?)"],
    ['continue mapcont 3 = 0', "is no condition (did you mean 'mapcount N = N'?)"],
    ['continue lock foliio 3', "has too much (did you mean 'lock folio N'?)"],
    ['continue lock folio', 'is not complete, or has too much'],
    ['continue task B run', "(did you mean 'task B runs'?)"],
    ['continue function zapPteRang', "(did you mean 'zapPteRange'?)"],
    ['print tabel', "(did you mean 'table'?)"],
    ['continue entry 3', "'entry 3' is not complete, or has too much"],
    ['continue entry 99 changes', "there is no page '99'"],
    ['continue lock folio 999999999', 'the machine has no page with pfn 999999999'],
    ['continue refcount 999999999 = 0', 'the machine has no page with pfn 999999999'],
    ['print folio x', "'x' is no pfn"],
    ['continue event UNMAPP', "nothing is named 'UNMAPP' (did you mean 'UNMAP'?)"],
    ['continue task Z runs', "there is no task 'Z'"],
    ['print page tabel', "'page tabel' can't be printed (did you mean 'page table'?)"],
    ['why entyr 0', "'entyr 0' has no history (did you mean 'entry'?)"],
  ])('refuses %s, and names the nearest', (line, message) => expect(() => run(line)).toThrow(message));

  it('completes commands, conditions and what can be printed', () => {
    expect(session.complete('rev')).toEqual([['reverse-continue'], 'rev']);
    expect(session.complete('print page')[0]).toEqual(['page table']);
    expect(session.complete('c lock')[0]).toEqual(['lock folio N', 'lock NAME']);
  });
});

it('keeps what was typed for the next session, where the user keeps such things', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-history-'));
  try {
    const file = historyFile({ XDG_STATE_HOME: folder });
    expect(readHistory(file)).toEqual([]);
    writeHistory(file, ['back', 'goto 3']);
    expect(readFileSync(file, 'utf8')).toBe('goto 3\nback\n');
    expect(readHistory(file)).toEqual(['back', 'goto 3']);
    writeHistory(join(file, 'no-folder'), ['back']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('record', () => {
  it.each([
    [['mig-unmpa'], "'mig-unmpa' is none of these (did you mean 'mig-unmap'?)"],
    [['nowhere.yaml'], "'nowhere.yaml' does not exist"],
    [['README.md'], "'README.md' is none of these"],
    [['dme1:mig-unmap:x'], "part 'version' of the token: dme1 is not read any more"],
    [['dm2:race:mig-unmap'], "the token ends before its part 'machine'"],
    [['mig-unmap', 'more'], "'more' stands behind 'mig-unmap'"],
  ])('refuses %j in one line', async (words, message) => {
    await expect(record(words, RUN)).rejects.toThrow(message);
  });
});

it('ends a run that takes more memory than it may, says so, and shows what there is', async () => {
  const recorded = await record(['hmm.hmm_device_private.anon_write'], { ...RUN, maxBytes: 2 ** 16 });
  const { steps, isCut } = recorded.recording;
  expect([steps, isCut]).toEqual([256, true]);
  expect(recorded).toMatchObject({ findings: [], outcome: expect.stringMatching(/^not known: .* \(--max-memory\)$/) });
  expect(new DebugSession(recorded).run('info').join('\n')).toMatch(/256 steps and more, for which there was no room/);
  expect(explainLines(recorded).join(' ')).toMatch(/cause: not known: the run goes on behind step 256,/);
  expect(recorded.recording.at(256).view().tasks).toHaveLength(1);
});

describe('a race of a program', needs(COMPILER), () => {
  it('is gone through under the schedule of its token', async () => {
    const build = new GuestBuild();
    try {
      const binary = build.compile('reports/lost-update');
      const program = printOfProgram(readFileSync(binary));
      const schedule = { seed: 1, depth: 3, steps: 100 };
      const setup = { ...RUN, args: [], env: [], ram: 2 ** 26, swap: 0, hugepages: 0, invariants: 'off' as const };
      const recorded = await record([GUEST_TOKEN.write({ ...setup, program, schedule }), binary], RUN);
      expect(recorded.outcome).toMatch(/^exit status [01]$/);
      const session = new DebugSession(recorded);
      session.run('continue task B runs');
      expect(session.run('print tasks').join('\n')).toMatch(/^B \(1\/2\)/m);
      expect(explainLines(recorded).join('\n')).toMatch(/^cause: /m);
    } finally {
      build.remove();
    }
  });
});
