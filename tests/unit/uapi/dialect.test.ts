import { describe, expect, test } from 'vitest';
import { commandByNumber, commandNumber, dialectByName, dialectIds, makeDialect } from '../../../uapi/dialect.js';

const m5 = dialectByName('M5')!;
const own = dialectByName('dmirror')!;

describe('the dialects', () => {
  test('are found by id and by kernel version', () => {
    expect(dialectIds()).toContain('M5');
    expect(dialectByName('6.12')).toBe(m5);
    expect(dialectByName('none')).toBeUndefined();
  });

  test('M5 numbers are those of the 6.12 header', () => {
    const commands = ['READ', 'WRITE', 'MIGRATE_TO_DEV', 'MIGRATE_TO_SYS', 'SNAPSHOT'] as const;
    const later = ['EXCLUSIVE', 'CHECK_EXCLUSIVE', 'RELEASE'] as const;
    const numbers = [...commands, ...later].map((name) => commandNumber(m5, name));
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((nr) => 0xc0284800 + nr));
    expect(commandNumber(m5, 'MIGRATE_ON_FAULT_TO_DEV')).toBeUndefined();
  });

  test('dmirror only adds', () => {
    for (const [name, number] of m5.numbers) expect(commandNumber(own, name)).toBe(number);
    expect(commandNumber(own, 'MIGRATE_ON_FAULT_TO_DEV')).toBe(0xc0284840);
  });

  test('numbers lead back to names, signed or not', () => {
    expect(commandByNumber(own, 0xc0284840)).toBe('MIGRATE_ON_FAULT_TO_DEV');
    expect(commandByNumber(own, 0xc0284804 | 0)).toBe('SNAPSHOT');
    expect(commandByNumber(m5, 0xc0284840)).toBeUndefined();
    expect(commandByNumber(m5, 0xc0304804)).toBeUndefined();
  });
});

describe('a child dialect', () => {
  test('moves, adds and takes away', () => {
    const child = makeDialect({ id: 'c', parent: 'M5', commands: { RELEASE: null, FLAGS: 7, WRITE: 9 } }, m5);
    expect(commandByNumber(child, 0xc0284807)).toBe('FLAGS');
    expect(commandNumber(child, 'RELEASE')).toBeUndefined();
    expect(commandNumber(child, 'WRITE')).toBe(0xc0284809);
    expect(commandByNumber(child, 0xc0284801)).toBeUndefined();
  });

  test('has other numbers with another record size', () => {
    const child = makeDialect({ id: 'c', parent: 'M5', recordBytes: 48, commands: {} }, m5);
    expect(commandNumber(child, 'READ')).toBe(0xc0304800);
  });

  test('may not give one number twice', () => {
    expect(() => makeDialect({ id: 'c', commands: { READ: 1, WRITE: 1 } })).toThrow('READ');
  });
});
