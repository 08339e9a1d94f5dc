import { describe, expect, test } from 'vitest';
import { parseHeader } from '../../../../../tools/abi/c/parse-header.js';
import { compare } from '../../../../../tools/abi/compare/compare.js';
import type { AbiEffect, KnownEffect } from '../../../../../tools/abi/compare/effects.js';
import { modelOfDialect } from '../../../../../tools/abi/load/dialect-model.js';
import { modelOfHeader } from '../../../../../tools/abi/load/header-model.js';
import { suggest } from '../../../../../tools/abi/report/suggest.js';
import { commandByNumber, commandSpelling, dialectByName, dialectIds } from '../../../../../uapi/dialect.js';
import { loadAbiHistory } from '../../../uapi/abi-history.js';
import { headerOf } from '../headers.js';

const history = loadAbiHistory();
const dialect = (id: string) => modelOfDialect(dialectByName(id)!);
const short = (name: string) => name.replace('HMM_DMIRROR_', '');
const header = async (text: string) => modelOfHeader(parseHeader('h.h', text));

describe.each(history.transitions.map((t) => [t.old, t.new, t] as const))('from %s to %s', (oldId, newId, step) => {
  const { commands, findings } = compare(dialect(oldId), dialect(newId));
  const byClass = (side: 'old' | 'new', ...classes: string[]) =>
    commands[side]
      .filter((v) => classes.includes(v.class))
      .map((v) => short(v.command.name))
      .sort();

  test('the classes are those of the history', () => {
    expect(byClass('old', 'silent-alias')).toEqual(step.reinterpreted.map((r) => r.old).sort());
    expect(byClass('new', 'silent-alias')).toEqual(step.reinterpreted.map((r) => r.new).sort());
    expect(byClass('old', 'renamed')).toEqual(step.renamed.map((r) => r.old).sort());
    expect(byClass('old', 'same')).toEqual(step.unchanged.map((r) => r.name).sort());
    const lost = byClass('old', 'removed', 'renumbered', 'size-changed', 'direction-changed');
    expect(lost).toEqual(step.unknown_in_new.map((r) => r.old).sort());
    const gained = byClass('new', 'added', 'renumbered', 'size-changed', 'direction-changed');
    expect(gained).toEqual(step.added_in_new.map((r) => r.new).sort());
  });

  test('the effects are those of the history', () => {
    for (const fact of step.reinterpreted) {
      const finding = findings.find((f) => f.class === 'silent-alias' && f.old!.value === Number(fact.ioctl))!;
      expectEffect(finding.oldClient!, fact.old_binary_on_new_kernel);
      expectEffect(finding.newClient!, fact.new_binary_on_old_kernel);
    }
  });
});

/** Compares a computed effect with the sentences of the history, which were written from the driver's source. */
function expectEffect(effect: AbiEffect, facts: string[]): void {
  const facts1 = facts.join('; ');
  const unknown = facts1.includes('unknown');
  const known = effect as KnownEffect;
  if (unknown) {
    expect(effect.known).toBe(false);
    return;
  }
  if (!effect.known || facts.length === 0) return;
  const page = facts1.includes('writes npages*PAGE_SIZE bytes');
  const few = /writes (only )?npages bytes/.test(facts1);
  if (page) expect(known.overrunBytesPerPage).toBe(facts1.includes('expects npages') ? 4095 : 4096);
  if (few && !facts1.includes('only npages')) expect(known.overrunBytesPerPage).toBe(1);
  if (facts1.includes('only npages')) expect(known.underfillBytesPerPage).toBe(4095);
  if (facts1.includes('stale')) expect(known.underfillBytesPerPage).toBeGreaterThan(0);
  expect(known.overrunBytesPerPage > 0).toBe(page || (few && !facts1.includes('only')));
  if (facts1.includes('exclusive;') || facts1.endsWith('device-exclusive')) expect(known.text).toContain('exclusive');
  if (facts1.includes('evicts')) expect(known.text).toContain('evicts');
  if (facts1.includes('flag word')) expect(known.text).toContain('flag word');
}

describe('every pair of dialects', () => {
  const ids = dialectIds();

  test('puts each command of each side into one class, by its value first', () => {
    for (const a of ids) {
      for (const b of ids) {
        const { commands } = compare(dialect(a), dialect(b));
        expect(commands.old.length).toBe(dialectByName(a)!.numbers.size);
        expect(commands.new.length).toBe(dialectByName(b)!.numbers.size);
        for (const { command, class: kind } of commands.old) {
          const other = commandByNumber(dialectByName(b)!, command.value);
          const name = other && `HMM_DMIRROR_${commandSpelling(dialectByName(b)!, other)}`;
          if (name === command.name) expect(kind).toBe('same');
          else if (name !== undefined) expect(['silent-alias', 'renamed']).toContain(kind);
          else expect(['removed', 'renumbered', 'size-changed', 'direction-changed']).toContain(kind);
        }
      }
    }
  });

  test('differs from itself in nothing', () => {
    for (const id of ids) expect(compare(dialect(id), dialect(id)).findings).toEqual([]);
  });

  test('is the same as its header', async () => {
    for (const generation of history.generations) {
      const { findings } = compare(await header(headerOf(generation)), dialect(generation.id));
      expect([generation.id, findings]).toEqual([generation.id, []]);
    }
  });
});

describe('records and constants', () => {
  test('a field that took the bytes of another is a silent alias', () => {
    const found = compare(dialect('P0'), dialect('M1')).findings.filter(({ subject }) => subject === 'field');
    expect(found.map((f) => [f.class, f.old?.name, f.new?.name])).toEqual([
      ['silent-alias', 'dpages', 'faults'],
      ['silent-alias', 'dpages', 'faults'],
    ]);
  });

  test('coherent codes overlap the zero bit', () => {
    const found = compare(dialect('M3'), dialect('M4')).findings.filter((f) => f.class === 'code-overlap');
    expect(found.map((f) => [short(f.new!.name), short(f.old!.name)])).toEqual([
      ['PROT_DEV_COHERENT_REMOTE', 'PROT_ZERO'],
    ]);
  });

  test('a code that names another thing is a silent alias, unless the list says it is the same', () => {
    const kinds = (a: string, b: string) =>
      compare(dialect(a), dialect(b))
        .findings.filter((f) => f.subject === 'constant')
        .map((f) => `${f.class} ${short(f.old?.name ?? '')}`);
    expect(kinds('M1c', 'M2')).toContain('silent-alias PROT_COMPOUND');
    expect(kinds('B-generic', 'B-public')).toEqual(['renamed PROT_DEV_GENERIC', 'renamed MEMORY_DEVICE_GENERIC']);
  });

  test('every change of a field has its class', async () => {
    const old = await header(
      'struct s { int a; int b; long c; int reserved1; int e; int f; };\n#define S _IOW(1, 2, struct s)\n',
    );
    const now = await header(
      'struct s { int a; short b; long c; int used; int e2; unsigned f; };\n#define S _IOW(1, 2, struct s)\n',
    );
    const fields = compare(old, now).findings.filter((f) => f.subject === 'field');
    expect(fields.map((f) => `${f.class} ${f.old?.name ?? ''} ${f.new?.name ?? ''}`).sort()).toEqual([
      'reserved-used  used',
      'silent-alias e e2',
      'size-changed b b',
      'type-changed f f',
    ]);
  });

  test('a second name of a number whose first stays is no alias of something else', async () => {
    const old = await header("#define A _IO('x', 1)\n");
    const found = async (line: string) =>
      compare(old, await header(`#define A _IO('x', 1)\n${line}\n`)).findings.map((f) => `${f.class} ${f.new?.name}`);
    expect(await found('#define B A')).toEqual(['added B']);
    expect(await found("#define B _IO('x', 1)")).toEqual(['code-overlap B']);
    const gone = compare(old, await header("#define B _IO('x', 1)\n")).findings;
    expect(gone.map((f) => `${f.class} ${f.new?.name}`)).toEqual(['silent-alias B']);
  });

  test.each([
    ['another order of fields', 'struct b { int y, x; };', ['type-changed P', 'type-changed p']],
    ['the same fields', 'struct b { int x, y; };', []],
    ['what nobody sees', 'struct b;', []],
    ['itself', 'struct b { int x, y; struct b *next; };', ['type-changed P', 'type-changed p']],
  ])('a pointer to another record is one to %s', async (_, b, wanted) => {
    const text = (name: string) =>
      `struct s { struct ${name} *p; };\n#define S _IOW('x', 1, struct s)\n#define P _IOW('x', 2, struct ${name} *)\n`;
    const [old, now] = [await header(`struct a { int x, y; };\n${text('a')}`), await header(`${b}\n${text('b')}`)];
    const found = compare(old, now).findings.filter((f) => f.subject !== 'record' && f.class === 'type-changed');
    expect(found.map((f) => `${f.class} ${f.new?.name}`)).toEqual(wanted);
  });

  test('sizes and directions that change are named as what they are', async () => {
    const old = await header(
      "struct s { int a; };\n#define A _IOW('x', 1, struct s)\n#define B _IOW('x', 2, struct s)\n",
    );
    const now = await header(
      "struct s { int a, b; };\n#define A _IOW('x', 1, struct s)\n#define B _IOR('x', 2, int)\n",
    );
    const found = compare(old, now).findings.map((f) => `${f.class} ${f.subject} ${f.new?.name}`);
    expect(found).toEqual([
      'size-changed command A',
      'size-changed record s',
      'direction-changed command B',
      'added field b',
    ]);
  });
});

describe('suggestions', () => {
  test('keep every old number and put what is new on a free one', () => {
    const comparison = compare(dialect('M5'), dialect('B-onfault'));
    const { free, additive } = suggest(comparison);
    expect(free[0]).toEqual({ nr: 0x0b, value: 0xc028480b });
    expect(additive!.filter(({ kept }) => !kept)).toEqual([
      { name: 'HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV', nr: 0x0b, value: 0xc028480b, kept: false },
    ]);
    const numbers = new Map(additive!.map(({ name, value }) => [name, value]));
    for (const { name, value } of dialect('M5').commands) expect(numbers.get(name)).toBe(value);
  });

  test('are none where nothing was renumbered', () => {
    expect(suggest(compare(dialect('M5'), dialect('M6'))).additive).toBeUndefined();
  });
});
