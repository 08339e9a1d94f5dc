import { describe, expect, it } from 'vitest';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { EQUAL_PATHS, type PathName } from '../../../../uapi/path-name.js';
import { BASE } from '../../test-machine.js';
import { DeviceMachine } from '../device-machine.js';

/** Locks and stages in order; a lock that is taken many times in a row is shown once. */
function order(w: DeviceMachine, kinds: readonly string[], work: () => void): string[] {
  return w.trace(kinds, work).filter((line, i, all) => line !== all[i - 1]);
}

function prepared(path: PathName): DeviceMachine {
  const w = new DeviceMachine({ path });
  w.anon(0, 3);
  w.fill(0, 2, 1);
  return w;
}

describe('what the commands lock, in order', () => {
  const unlocked = (lines: string[]): string[] => lines.filter((line) => !/ptl|lru/.test(line));

  it('READ: mmap_lock for the fault, then the mutex for the mirror', () => {
    const w = prepared('classic');
    const file = w.open(0);
    const ioctl = order(w, ['ioctl', 'lock'], () => w.command(file, 'READ', 0, 2));
    const from = ioctl.indexOf('ioctl READ');
    const to = ioctl.indexOf('ioctl READ done');
    expect(unlocked(ioctl.slice(from + 1, to)).slice(0, 3)).toEqual([
      'lock dmirror_mutex',
      'lock mmap_lock',
      'lock dmirror_mutex',
    ]);
  });

  it.each(EQUAL_PATHS)('MIGRATE_TO_DEV on the %s path: the stages, and the notifiers between', (path) => {
    const w = prepared(path);
    const file = w.open(0);
    const walk = path === 'classic' ? [] : ['hmm-migrate 0-3'];
    const collect = path === 'classic' ? ['collect 0-3'] : [];
    expect(w.trace(['migrate', 'notifier', 'walk'], () => w.command(file, 'MIGRATE_TO_DEV', 0, 3))).toEqual([
      ...walk,
      'MIGRATE owner 0-3',
      ...collect,
      'collect 0-3: 3 of 3',
      'unmap 0-3: 3 of 3',
      'setup 0-3: 3 of 3',
      'copy 0-3: 3 of 3',
      'MIGRATE owner 2-3',
      'pages 0-3: 3 of 3',
      'finalize 0-3: 3 of 3',
    ]);
  });

  it.each(EQUAL_PATHS)('the entries between the stages on the %s path', (path) => {
    const w = prepared(path);
    const file = w.open(0);
    const seen: string[] = [];
    w.memory.kernel.trace.listen((event) => {
      if (event.kind === 'migrate') seen.push(`${event.stage}: ${w.text(0, 3).replaceAll('\n', ', ')}`);
    });
    w.command(file, 'MIGRATE_TO_DEV', 0, 3);
    w.memory.kernel.trace.listen(null);
    expect(seen).toEqual([
      'collect: PTE 0-1 MIG-W, PTE 2 NONE',
      'unmap: PTE 0-1 MIG-W, PTE 2 NONE',
      'setup: PTE 0-1 MIG-W, PTE 2 NONE',
      'copy: PTE 0-1 MIG-W, PTE 2 NONE',
      'pages: PTE 0-1 MIG-W, PTE 2 DPRIV-W',
      'finalize: PTE 0-2 DPRIV-W',
    ]);
  });

  it('a page that somebody else holds leaves the migration when it is unmapped', () => {
    const w = prepared('classic');
    const file = w.open(0);
    const held = pfnAt(w.mm, BASE / PAGE_SIZE);
    folioGet(w.memory, held);
    expect(w.trace(['migrate'], () => w.command(file, 'MIGRATE_TO_DEV', 0, 3))).toEqual([
      'collect 0-3: 3 of 3',
      ...['unmap', 'setup', 'copy', 'pages', 'finalize'].map((stage) => `${stage} 0-3: 2 of 3`),
    ]);
    folioPut(w.memory, held);
  });

  it('RELEASE brings pages home by pfn, in the same steps but setup', () => {
    const w = prepared('classic');
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 3);
    expect(w.trace(['migrate'], () => w.command(file, 'RELEASE', 0, 1))).toEqual(
      ['collect', 'unmap', 'copy', 'pages', 'finalize'].map((stage) => `${stage} pfns: 3 of 3`),
    );
  });

  it('RELEASE: devmem_lock around everything', () => {
    const w = prepared('classic');
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 3);
    const lines = order(w, ['ioctl', 'lock', 'unlock'], () => w.command(file, 'RELEASE', 0, 1));
    const inside = unlocked(lines.slice(lines.indexOf('ioctl RELEASE') + 1, lines.indexOf('ioctl RELEASE done')));
    expect([inside[0], inside.at(-1)]).toEqual(['lock devmem_lock 0', 'unlock devmem_lock 0']);
    expect(inside).toContain('lock dev_lock');
    expect(inside).toContain('lock folio');
  });
});
