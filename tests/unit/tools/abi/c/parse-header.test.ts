import { describe, expect, test } from 'vitest';
import { parseHeader } from '../../../../../tools/abi/c/parse-header.js';
import { HeaderError } from '../../../../../tools/abi/c/source-text.js';
import { targetByName } from '../../../../../tools/abi/c/target.js';
import { modelOfHeader } from '../../../../../tools/abi/load/header-model.js';
import { holesOf } from '../../../../../tools/abi/load/model.js';
import { loadAbiHistory } from '../../../uapi/abi-history.js';
import { headerOf } from '../headers.js';

async function read(text: string, target = 'x86_64') {
  return modelOfHeader(parseHeader('t.h', text, { target: targetByName(target)! }));
}

const offsets = (model: Awaited<ReturnType<typeof read>>, name: string) => {
  const record = model.records.find((r) => r.name === name)!;
  return [record.size, ...record.fields.map((f) => f.offset)];
};

describe.each(loadAbiHistory().generations)('the header of $id', (generation) => {
  test('reads as the facts say, on 64 and 32 bits', async () => {
    for (const target of ['x86_64', 'i386', 'lp64-be', 'ilp32']) {
      const model = await read(headerOf(generation), target);
      const commands = model.commands.map(({ name, value, size }) => [name, `0x${value.toString(16)}`, size]);
      expect(commands).toEqual(Object.entries(generation.commands).map(([name, c]) => [name, c.ioctl, c.size]));
      const records = model.records.map(({ name, size, fields }) => [
        name,
        { size, fields: fields.map(({ name, type, offset, size }) => ({ name, type, offset, size })) },
      ]);
      expect(Object.fromEntries(records)).toEqual(generation.structs);
      const { enums, flags } = generation;
      const constants = model.constants.map(({ name, value }) => [name, Number(value)]);
      expect(Object.fromEntries(constants)).toEqual({ ...enums.prot, ...enums.memory_type, ...flags });
    }
  });
});

describe('the header of gup_test', () => {
  const text = `#include <linux/types.h>
#define GUP_TEST_MAX_PAGES_TO_DUMP 8
#define PIN_LONGTERM_TEST_START _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP _IO('g', 8)
#define PIN_LONGTERM_TEST_READ _IOW('g', 9, __u64)
#define GUP_FAST_BENCHMARK _IOWR('g', 1, struct gup_test)
struct gup_test { __u64 get_delta_usec; __u64 put_delta_usec; __u64 addr; __u64 size; __u32 nr_pages_per_call;
  __u32 gup_flags; __u32 test_flags;
  __u32 which_pages[GUP_TEST_MAX_PAGES_TO_DUMP]; };
struct pin_longterm_test { __u64 addr; __u64 size; __u32 flags; };
`;

  test('has the numbers of 6.12 and the smaller records of i386', async () => {
    const numbers = (await read(text)).commands.map(({ value }) => value);
    expect(numbers).toEqual([0x40186707, 0x00006708, 0x40086709, 0xc0506701]);
    const small = (await read(text, 'i386')).commands.map(({ size }) => size);
    expect(small).toEqual([20, 0, 8, 76]);
  });

  test('has a hole behind its last field', async () => {
    const record = (await read(text)).records.find(({ name }) => name === 'gup_test')!;
    expect(holesOf(record)).toEqual([{ start: 76, end: 80 }]);
  });
});

describe('a layout', () => {
  test('follows packed and aligned', async () => {
    const model = await read(`
      struct plain { char a; __u64 b; };
      struct tight { char a; __u64 b; } __attribute__((packed));
      struct wide { char a; } __attribute__((aligned(16)));
      struct [[gnu::packed]] standard { char a; __u64 b; };
      struct member { char a; __u32 b __attribute__((packed)); char c __attribute__((aligned(4))); };
    `);
    expect(offsets(model, 'plain')).toEqual([16, 0, 8]);
    expect(offsets(model, 'tight')).toEqual([9, 0, 1]);
    expect(offsets(model, 'standard')).toEqual([9, 0, 1]);
    expect(offsets(model, 'wide')).toEqual([16, 0]);
    expect(offsets(model, 'member')).toEqual([12, 0, 1, 8]);
  });

  test('aligns 8-byte fields to 4 on i386 only', async () => {
    const text = 'struct s { __u32 a; __u64 b; void *c; }; struct t { __u32 a; __aligned_u64 b; };';
    const header = `#include <linux/types.h>\n${text}`;
    expect(offsets(await read(header, 'i386'), 's')).toEqual([16, 0, 4, 12]);
    expect(offsets(await read(header, 'ilp32'), 's')).toEqual([24, 0, 8, 16]);
    expect(offsets(await read(header, 'i386'), 't')).toEqual([16, 0, 8]);
  });

  test('shows the fields of anonymous members as the record own', async () => {
    const model = await read(
      'struct s { __u8 a; union { __u64 b; struct { __u16 c; __u16 d[3]; }; }; struct { int x; } in; };',
    );
    const fields = model.records[0]!.fields.map(({ name, offset }) => `${name}@${offset}`);
    expect(fields).toEqual(['a@0', 'b@8', 'c@8', 'd@10', 'in.x@16']);
  });

  test('packs bit-fields into units of their type', async () => {
    const model = await read('struct s { __u32 a:3; __u32 b:30; __u32 :0; __u8 c:2; __u8 :3; __u8 d:4; };');
    const bits = model.records[0]!.fields.map(({ name, bits }) => [name, bits!.start, bits!.width]);
    expect(bits).toEqual([
      ['a', 0, 3],
      ['b', 32, 30],
      ['c', 64, 2],
      [':3', 66, 3],
      ['d', 72, 4],
    ]);
  });

  test('is not disturbed by functions that the header defines', async () => {
    const model = await read(`struct s { int a; };
static inline struct s f(int x) { switch (x) { case 1: break; default: break; } for (;;) {} }
struct __attribute__((packed)) t { char a; int b; };
extern int g(struct s *, int (*)(void));
struct u { int (*call)(int); struct s *p[3]; const char *name, c; };
`);
    expect(model.records.map(({ name, size }) => [name, size])).toEqual([
      ['s', 4],
      ['t', 5],
      ['u', 48],
    ]);
  });

  test('orders bit-fields by the byte order macros', async () => {
    const text = `#include <asm/byteorder.h>
struct s {
#if defined(__LITTLE_ENDIAN_BITFIELD)
  __u8 low:4, high:4;
#elif defined(__BIG_ENDIAN_BITFIELD)
  __u8 high:4, low:4;
#else
#error no byte order
#endif
};`;
    const first = async (target: string) => (await read(text, target)).records[0]!.fields[0]!.name;
    expect([await first('lp64'), await first('lp64-be')]).toEqual(['low', 'high']);
  });
});

describe('constants', () => {
  test('are computed as C does', async () => {
    const model = await read(`#include <linux/const.h>
#define A (1U << 31)
#define B (~0)
#define C (~0ULL)
#define D (sizeof(struct s) * 2 + 'a')
#define E (-1 > 0U ? 7 : 8)
#define F _BITULL(40)
#define G (A | _AC(0x10, UL))
#define H X(3, 4)
#define X(a, b) ((a) * 10 + (b))
#define NOT_A_NUMBER "text"
struct s { int a; };
enum { P = 4, Q, R = Q << 2, };
#define S (P + R)
`);
    const values = Object.fromEntries(model.constants.map(({ name, value }) => [name, value]));
    expect(values).toEqual({
      ...{ A: 0x80000000n, B: -1n, C: 0xffffffffffffffffn, D: 105n, E: 7n, F: 1n << 40n, G: 0x80000010n, H: 34n },
      ...{ P: 4n, Q: 5n, R: 20n, S: 24n },
    });
  });

  test('that are ioctl numbers may come through macros of the header', async () => {
    const model = await read(`#define BASE 'd'
#define IOWR(nr, type) _IOWR(BASE, nr, type)
struct v { int a[4]; };
#define VERSION IOWR(0x00 + 2, struct v)
#define BYTES _IOR('x', 1, char[100])
static const unsigned int KEPT = _IO('x', 2), *not_a_number = 0;
static const double HALF = 0.5;
`);
    expect(model.commands.map(({ name, value, argument }) => [name, value, argument])).toEqual([
      ['KEPT', 0x7802, undefined],
      ['IOWR(nr, type)', 0xc0046401, '__u32'],
      ['VERSION', 0xc0106402, 'struct v'],
      ['BYTES', 0x80647801, 'char[100]'],
    ]);
  });
});

describe('what is not understood is an error with its place', () => {
  const cases: [name: string, text: string, line: number, column: number, problem: RegExp][] = [
    ['broken C', 'struct a {\n  int x int y;\n};\n', 2, 9, /expected ';' before 'int'/],
    ['a record without an end', 'struct a { int x;\n', 1, 1, /its } is missing/],
    ['an unknown type', 'struct a {\n  foo_t x;\n};', 2, 3, /'foo_t' is no type/],
    ['an unknown bound', 'struct a { int x[N]; };', 1, 18, /'N'/],
    ['an unknown header', '#include <linux/nothing.h>\n', 1, 10, /no header/],
    ['an open condition', '#ifdef A\nint x;\n', 1, 1, /does not end/],
    ['an open comment', 'int x; /* ...', 1, 8, /does not end/],
    ['division by zero', '#if 1 / 0\n#endif\n', 1, 9, /division/],
    ['an incomplete field', 'struct a { struct b c; };', 1, 12, /struct b is not defined/],
  ];
  test.each(cases)('%s', async (_, text, line, column, problem) => {
    const error = await read(text).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(HeaderError);
    const { message, hint } = error as HeaderError;
    expect(message).toMatch(problem);
    expect(message).toContain(`t.h:${line}:${column}:`);
    expect(message).toContain(text.split('\n')[line - 1]!);
    expect(hint).not.toBe('');
  });
});
