import { expect, it } from 'vitest';
import type { TraceEvent, TraceKind } from '../../../../driver/trace/trace-event.js';
import { operandText, TRACE_KINDS } from '../../../../driver/trace/trace-text.js';
import { Observed } from '../../dmirror/observe.js';

/** What the usual listener, or one of `kinds`, hears of a migration of two pages. */
function heard(kinds?: readonly TraceKind[]): TraceEvent[] {
  const o = new Observed('classic', 2);
  o.store(0, 2);
  const events: TraceEvent[] = [];
  o.machine.listen((event) => events.push(event), ...(kinds === undefined ? [] : [new Set<string>(kinds)]));
  o.command('MIGRATE_TO_DEV');
  o.machine.listen(null);
  expect(o.machine.kernel.observer).toBe(null);
  return events;
}

const texts = (events: readonly TraceEvent[]): string[] => events.map(operandText);

it('tells each change of an entry with what it was, what it is, and in which call', () => {
  const first = heard(['entry']).filter((event) => event.kind === 'entry' && event.addr === 0x1000000000);
  expect(first.map((event) => event.kind === 'entry' && `${event.level} ${event.old} -> ${event.new}`)).toEqual([
    'PTE PRESENT W -> MIG-W',
    'PTE MIG-W -> DPRIV-W',
  ]);
  expect(first).toMatchObject([{ doing: 'MIGRATE_TO_DEV' }, { doing: 'MIGRATE_TO_DEV' }]);
});

it('tells references of folios, their states and the mirror when asked', () => {
  const events = heard(['refcount', 'folio', 'mirror']);
  expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['refcount', 'folio', 'mirror']));
  for (const event of events) if ('old' in event) expect(event.old).not.toEqual(event.new);
  expect(texts(events)).toContainEqual(expect.stringMatching(/^of file \d+ 0x1000000000-0x100000[12]000$/));
});

it('leaves states of folios out unless they are named', () => {
  const kinds = new Set(heard().map(({ kind }) => kind));
  for (const kind of ['syscall', 'ioctl', 'walk', 'migrate', 'notifier', 'lock', 'unlock', 'switch', 'entry'] as const)
    expect(kinds).toContain(kind);
  expect(kinds).not.toContain('folio');
  expect(kinds).not.toContain('refcount');
});

it('tells of a wait who has what is waited for, and of each switch who goes on', () => {
  const o = new Observed('classic', 2);
  o.store(0, 2);
  const other = o.machine.threadByTid(o.call('thread').ret)!;
  const events: TraceEvent[] = [];
  o.machine.listen((event) => events.push(event), new Set(['wait', 'switch']));
  for (const thread of [o.process.main, other]) o.machine.start(thread, 'munmap', [0x1000000000, 4096]);
  o.machine.run();
  expect(texts(events)).toContain('from task 1 to 1/2 in munmap');
  expect(events).toContainEqual(expect.objectContaining({ kind: 'wait', for: 'mmap_lock', task: 2, owner: 1 }));
});

it('has words for every kind that it can send as JSON', () => {
  for (const event of heard(TRACE_KINDS)) {
    expect(operandText(JSON.parse(JSON.stringify(event)))).toBe(operandText(event));
    expect(operandText(event)).not.toMatch(/undefined|NaN|\[object/);
  }
});
