import { describe, expect, test } from 'vitest';
import { parseHeader } from '../../../../../tools/abi/c/parse-header.js';
import { SourceText } from '../../../../../tools/abi/c/source-text.js';
import { targetByName } from '../../../../../tools/abi/c/target.js';
import { compare } from '../../../../../tools/abi/compare/compare.js';
import { isBreak } from '../../../../../tools/abi/compare/finding.js';
import { targetDifferences } from '../../../../../tools/abi/compare/target-differences.js';
import { modelOfHeader } from '../../../../../tools/abi/load/header-model.js';

const HEAD = '#include <linux/types.h>\n#include <linux/ioctl.h>\n';

function model(text: string, { target = 'x86_64', included = '' } = {}) {
  const findHeader = (name: string) => (name === 'consts.h' ? new SourceText(name, HEAD + included) : undefined);
  return modelOfHeader(parseHeader('t.h', HEAD + text, { target: targetByName(target)!, findHeader }));
}

/** `!class name` for what breaks, `class name` for the rest. */
function found(old: string, now: string, included?: string) {
  return compare(model(old), model(now, included === undefined ? {} : { included }))
    .findings.map((f) => `${isBreak(f) ? '!' : ''}${f.class} ${(f.new ?? f.old)!.name}`)
    .sort();
}

const cmd = (nr: number, record: string) => `#define GZ_${nr} _IOWR('z', ${nr}, ${record})\n`;

describe('a number that stays with another argument', () => {
  const records = 'struct a { __u32 x, y; }; struct b { __u64 p; }; struct c { __u32 x, y; };\n';
  test.each<[string, string, string, string[]]>([
    ['another record of the same size', 'struct a', 'struct b', ['!type-changed GZ_1']],
    ['a record instead of a scalar', '__u64', 'struct a', ['!type-changed GZ_1']],
    ['a scalar instead of a record', 'struct a', '__u64', ['!type-changed GZ_1']],
    ['another sign', '__u32', '__s32', ['!type-changed GZ_1']],
    ['another byte order', '__le32', '__be32', ['!type-changed GZ_1']],
    ['bytes instead of a record', 'struct a', '__u8[8]', ['!type-changed GZ_1']],
    ['a record of the same fields', 'struct a', 'struct c', []],
    ['another spelling', '__u64', 'unsigned long long', []],
    ['a record of one field that is the scalar', '__u64', 'struct b', []],
    ['an enum', 'int', 'enum e', []],
  ])('%s', (_, a, b, expected) => {
    const both = `${records}enum e { E };\n`;
    expect(found(both + cmd(1, a), both + cmd(1, b))).toEqual(expected);
    expect(found(`${both}enum { GZ = _IOW('z', 1, ${a}) };`, `${both}enum { GZ = _IOW('z', 1, ${b}) };`)).toEqual(
      expected.map((text) => text.replace('GZ_1', 'GZ')),
    );
  });
});

describe('commands', () => {
  test.each<[string, string, string, string[]]>([
    [
      'a macro over _IOC with another nr',
      '#define N(len) _IOC(_IOC_READ, 1, 6, len)',
      '#define N(l) _IOC(_IOC_READ, 1, 8, l)',
      ['!renumbered N(l)'],
    ],
    [
      'one with another size',
      '#define N(n) _IOW(1, n, __u32)',
      '#define N(n) _IOW(1, n, __u64)',
      ['!size-changed N(n)'],
    ],
    [
      'one of the other direction',
      '#define N(n) _IOW(1, n, int)',
      '#define N(n) _IOR(1, n, int)',
      ['!direction-changed N(n)'],
    ],
    ['one of another sign', '#define N(n) _IOW(1, n, __u32)', '#define N(n) _IOW(1, n, __s32)', ['!type-changed N(n)']],
    ['one that is gone', '#define N(n) _IOR(1, 0x40 + (n), __u64)', '', ['!removed N(n)']],
    [
      'one that takes a type',
      '#define N(nr, t) _IOR(1, nr, t)',
      '#define N(nr, t) _IOW(1, nr, t)',
      ['!direction-changed N(nr, t)'],
    ],
    [
      'one in an enum',
      "enum { A = _IO('z', 1), B };",
      "enum { A = _IO('z', 2), B };",
      ['!renumbered A', '!renumbered B', '!silent-alias A'],
    ],
    [
      'one that needs a record of elsewhere',
      '#define A _IOW(1, 2, struct no)',
      '#define A _IOW(1, 2, struct no)',
      ['not-compared A'],
    ],
    [
      'one of those, renumbered',
      '#define A _IOW(1, 2, struct no)',
      '#define A _IOW(1, 3, struct no)',
      ['!renumbered A'],
    ],
    [
      'one of those, with another record',
      '#define A _IOW(1, 2, struct no)',
      '#define A _IOW(1, 2, struct nope)',
      ['!type-changed A'],
    ],
    ['one of those, gone', '#define A _IOW(1, 2, struct no)', '', ['!removed A']],
    [
      'one whose record went',
      'struct no { int a; };\n#define A _IOW(1, 2, struct no)',
      '#define A _IOW(1, 2, struct no)',
      ['!does-not-compile A', '!removed no'],
    ],
    ['one that was a bare number', '#define A 0x5401', "#define A _IO('T', 1)", []],
  ])('%s', (_, old, now, expected) => expect(found(old, now)).toEqual(expected));
});

describe('records', () => {
  const s = (fields: string, attribute = '') => `struct s { ${fields} }${attribute};\n${cmd(1, 'struct s')}`;
  test.each<[string, string, string, string[]]>([
    ['reserved space that is used', s('__u32 a; __u32 rsv[7];'), s('__u32 a, b; __u32 rsv[6];'), ['reserved-used b']],
    [
      'all of it',
      s('__u8 a; __u8 __pad[3];'),
      s('__u8 a, b, c, d;'),
      ['reserved-used b', 'reserved-used c', 'reserved-used d'],
    ],
    ['a bit-field without a name', s('__u64 a; __u32 b; __u32 :32;'), s('__u64 a; __u32 b, c;'), ['reserved-used c']],
    ['a field that became reserved', s('__u32 a, b;'), s('__u32 a, reserved;'), ['!removed reserved']],
    [
      'a field behind reserved space that moved',
      s('__u32 rsv[2], a;'),
      s('__u32 rsv[1], a, b;'),
      ['!moved a', 'added b'],
    ],
    ['[0] that became []', s('__u32 n; __u32 v[0];'), s('__u32 n; __u32 v[];'), []],
    ['a field in a hole', s('__u64 a; __u32 b;'), s('__u64 a; __u32 b, c;'), ['!field-in-hole c']],
    [
      'one that only the kernel writes',
      s('__u64 a; __u32 b;').replace('_IOWR', '_IOR'),
      s('__u64 a; __u32 b, c;').replace('_IOWR', '_IOR'),
      ['field-in-hole c'],
    ],
    ['padding that got a name', s('__u64 a; __u32 b;'), s('__u64 a; __u32 b, pad;'), ['added pad']],
    ['only another alignment', s('__u32 a, b;'), s('__u32 a, b;', ' __attribute__((packed))'), ['alignment-changed s']],
    ['another choice in a union', s('__u32 a;'), s('union { __u32 a; __u32 b; };'), ['added b']],
    ['growth of a record in no number', 'struct s { __u32 a; };', 'struct s { __u32 a, b; };', ['added b', 'grew s']],
    [
      'growth of one in a number',
      s('__u32 a;'),
      s('__u32 a, b;'),
      ['!size-changed GZ_1', '!size-changed s', 'added b'],
    ],
    [
      'a record of an included header',
      s('struct t { __u32 x; } a;'),
      s('struct t { __u64 x; } a;'),
      ['!size-changed GZ_1', '!size-changed s', '!size-changed t', '!size-changed x'],
    ],
    [
      'an array of records without a name',
      s('struct { __u16 x, y; } a[2];'),
      s('struct { __u32 x; } a[2];'),
      ['!removed a[].y', '!size-changed a[].x'],
    ],
  ])('%s', (_, old, now, expected) => expect(found(old, now)).toEqual(expected));

  test('say bits where a bit-field is meant, and bytes where none is', () => {
    const [finding] = compare(model(s('__u32 a; __u32 b;')), model(s('__u32 a; __u32 b:3;'))).findings;
    expect(finding!.message).toBe('b of struct s has 3 bits, not 32 bits');
    const moved = compare(model(s('__u32 a; __u32 b:3;')), model(s('__u32 a:4, b:3;'))).findings;
    expect(moved.map(({ message }) => message)).toContain('b of struct s went from offset 4, bit 0 to offset 0, bit 4');
  });
});

describe('constants', () => {
  test.each<[string, string, string, string[]]>([
    [
      'a last value that grew',
      'enum { A, B, __X_MAX };\n#define X_MAX (__X_MAX - 1)',
      'enum { A, B, C, __X_MAX };\n#define X_MAX (__X_MAX - 1)',
      ['added C', 'sentinel-grew X_MAX', 'sentinel-grew __X_MAX'],
    ],
    ['one that fell', '#define X_MAX 4', '#define X_MAX 3', ['!renumbered X_MAX']],
    ['a version', '#define X_API_VERSION 1', '#define X_API_VERSION 2', ['sentinel-grew X_API_VERSION']],
    [
      'a mask of valid flags',
      '#define F_A 1\n#define F_B 2\n#define F_VALID (F_A | F_B)',
      '#define F_A 1\n#define F_B 2\n#define F_C 4\n#define F_VALID (F_A | F_B | F_C)',
      ['added F_C', 'sentinel-grew F_VALID'],
    ],
    [
      'a mask that lost a flag',
      '#define F_A 1\n#define F_B 2\n#define F_VALID (F_A | F_B)',
      '#define F_A 1\n#define F_B 2\n#define F_VALID F_A',
      ['!renumbered F_VALID'],
    ],
    [
      'counted enumerators with a gap',
      'enum { P_A = 1, P_B, P_C = 4, P_D };',
      'enum { P_A = 1, P_B, P_C = 4, P_D, P_E };',
      ['added P_E'],
    ],
    [
      'a flag with the bit of another',
      '#define F_A 0x1\n#define F_B 0x10\n#define F_C 0x20',
      '#define F_A 0x1\n#define F_B 0x10\n#define F_C 0x20\n#define F_D 0x30',
      ['added F_D', 'code-overlap F_D', 'code-overlap F_D'],
    ],
    [
      'a name that is gone, and its value another',
      'enum e { P_A, P_B };',
      'enum e { P_A, P_C };',
      ['!silent-alias P_C'],
    ],
    ['two that changed places', 'enum e { P_A, P_B };', 'enum e { P_B, P_A };', ['!renumbered P_A', '!renumbered P_B']],
    [
      'enums without a name do not mix',
      'enum { TA_X, TA_Y };\nenum { QB_X };',
      'enum { TA_X };\nenum { QB_X, QB_Z };',
      ['!removed TA_Y', 'added QB_Z'],
    ],
    ['a guard', '#ifndef _T_H\n#define _T_H 1\n#endif', '#ifndef _T_X_H\n#define _T_X_H 1\n#endif', []],
    ['a type that only the kernel has', 'struct s { __u32 a; };', 'struct s { u32 a; };', ['!does-not-compile u32']],
    ['one that it had before', 'struct s { u32 a; };', 'struct s { u32 a; };', ['does-not-compile u32']],
    ['one in a command', '', '#define A _IOW(1, 2, u64)', ['!does-not-compile A', 'added A']],
  ])('%s', (_, old, now, expected) => expect(found(old, now)).toEqual(expected));

  test('that moved to an included header are still there, unless they changed on the way', () => {
    const old = `#define K0 0\n#define K1 1\nstruct w { __u32 a; };\n${cmd(1, 'struct w')}`;
    const now = `#include "consts.h"\n${cmd(1, 'struct w')}`;
    expect(found(old, now, '#define K0 0\n#define K1 1\nstruct w { __u32 a; };\n')).toEqual([]);
    expect(found(old, now, '#define K0 0\n#define K1 2\nstruct w { __u32 a; };\n')).toEqual(['!renumbered K1']);
    expect(found(old, now, '#define K0 0\n#define K1 1\nstruct w { __s32 a; };\n')).toEqual(['!type-changed a']);
  });
});

test('one header differs across targets where 32-bit programs see another layout', () => {
  const text = `struct same { __u64 a; __u32 b, c; };\nstruct ptr { void *p; };\nstruct align { __u32 a; __u64 b; };\n${cmd(1, 'struct ptr')}`;
  const on = (...targets: string[]) => targets.map((target) => ({ target, model: model(text, { target }) }));
  const names = (...targets: string[]) => targetDifferences(on(...targets)).map((f) => f.new!.name);
  expect(names('x86_64', 'riscv64', 'arm64')).toEqual([]);
  expect(names('x86_64', 'arm')).toEqual(['ptr', 'GZ_1']);
  expect(names('x86_64', 'i386')).toEqual(['ptr', 'align', 'GZ_1']);
  const [first] = targetDifferences(on('x86_64', 'i386', 'arm', 'riscv64'));
  expect(first!.message).toBe(
    'struct ptr is 8 bytes on x86_64, riscv64, 4 bytes on i386, arm; p is 8 bytes at 0 on x86_64, riscv64, 4 bytes at 0 on i386, arm: GZ_1 needs compat_ioctl',
  );
});
