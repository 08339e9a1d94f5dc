import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseHeader } from '../../../../tools/abi/c/parse-header.js';
import { compare } from '../../../../tools/abi/compare/compare.js';
import { headerText } from '../../../../tools/abi/header-text.js';
import { modelOfHeader } from '../../../../tools/abi/load/header-model.js';
import type { AbiCommand, AbiConstant, AbiField, AbiModel, AbiRecord } from '../../../../tools/abi/load/model.js';
import { _IOC } from '../../../../uapi/ioc.js';
import { runs } from '../../../counts.js';

const WIDTHS: Readonly<Record<string, number>> = { __u8: 1, __s16: 2, __u32: 4, __s64: 8, __be32: 4, char: 1 };

interface RandomField {
  type: string;
  count: number | undefined;
}

/** Natural layout, computed apart from the engine: each field on a multiple of its element's size. */
function naturalRecord(name: string, fields: readonly RandomField[]): AbiRecord {
  let end = 0;
  let align = 1;
  const out = fields.map(({ type, count }, i): AbiField => {
    const width = WIDTHS[type]!;
    const offset = Math.ceil(end / width) * width;
    const size = width * (count ?? 1);
    end = offset + size;
    align = Math.max(align, width);
    return { name: `f${i}`, type: count === undefined ? type : `${type}[${count}]`, offset, size };
  });
  return { kind: 'struct', name, size: Math.ceil(end / align) * align, align, fields: out, at: undefined };
}

const fieldArb: fc.Arbitrary<RandomField> = fc.record({
  type: fc.constantFrom(...Object.keys(WIDTHS)),
  count: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
});

const modelArb: fc.Arbitrary<AbiModel> = fc
  .record({
    records: fc.array(fc.array(fieldArb, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }),
    commands: fc.uniqueArray(fc.record({ nr: fc.integer({ min: 0, max: 255 }), record: fc.nat(2) }), {
      maxLength: 6,
      selector: ({ nr }) => nr,
    }),
    values: fc.array(fc.integer({ min: 0, max: 0xff }), { minLength: 1, maxLength: 6 }),
  })
  .map(({ records, commands, values }) => {
    const rest = { unread: [], kernelOnly: [] };
    const all = records.map((fields, i) => naturalRecord(`r${i}`, fields));
    return {
      ...{ name: 'random', ...rest },
      records: all,
      commands: commands.map(({ nr, record }, i): AbiCommand => {
        const { name, size } = all[record % all.length]!;
        const value = _IOC(3, 'H', nr, size);
        return { name: `CMD_${i}`, value, dir: 3, type: 72, nr, size, argument: `struct ${name}`, at: undefined };
      }),
      constants: values.map(
        (value, i): AbiConstant => ({ name: `E_PROT_V${i}`, value: BigInt(value), group: 'E_PROT_', at: undefined }),
      ),
    };
  });

/** Printed with one comment, blank and line after another, as people write. */
function messy(text: string, salt: readonly string[]): string {
  let i = 0;
  return text.replace(/(?<=[;,{]) ?/g, () => salt[i++ % salt.length]!);
}

const saltArb = fc.array(fc.constantFrom(' ', '\n', ' /* a, b; { */ ', '\t', ' \\\n ', ' // c\n'), {
  minLength: 1,
  maxLength: 5,
});

function plain({ commands, records, constants }: AbiModel) {
  return {
    commands: commands.map(({ at: _, canonical: _c, ...rest }) => rest),
    records: records.map(({ at: _, fields, ...rest }) => ({
      ...rest,
      fields: fields.map(({ canonical: _c, ...field }) => field),
    })),
    constants: constants.map(({ name, value }) => ({ name, value })),
  };
}

describe('a header printed from a random model', () => {
  test('reads back as that model', async () => {
    await fc.assert(
      fc.asyncProperty(modelArb, saltArb, async (model, salt) => {
        const [head = '', ...body] = headerText(model).split('\n\n');
        const text = [head, ...body.map((part) => (part.includes('#define') ? part : messy(part, salt)))].join('\n\n');
        const read = modelOfHeader(parseHeader('random.h', text));
        expect(plain(read)).toEqual(plain(model));
      }),
      runs(15, 150),
    );
  });
});

const NAMES = ['A', 'B', 'C', 'HMM_DMIRROR_READ', 'HMM_DMIRROR_MIGRATE', 'HMM_DMIRROR_MIGRATE_TO_DEV'];

const commandsArb = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom(...NAMES),
      nr: fc.nat(4),
      size: fc.constantFrom(8, 40),
      dir: fc.constantFrom(1, 3),
    }),
    { maxLength: 6, selector: ({ name }) => name },
  )
  .map((list): AbiModel => {
    const commands = list.map(({ name, nr, size, dir }): AbiCommand => {
      return { name, value: _IOC(dir, 'H', nr, size), dir, type: 72, nr, size, argument: undefined, at: undefined };
    });
    return { name: 'random', commands, records: [], constants: [], unread: [], kernelOnly: [] };
  });

describe('random pairs of ABIs', () => {
  test('have every command of both sides in one class, which both sides agree on', () => {
    fc.assert(
      fc.property(commandsArb, commandsArb, (a, b) => {
        const { commands } = compare(a, b);
        expect(commands.old.map(({ command }) => command)).toEqual(a.commands);
        expect(commands.new.map(({ command }) => command)).toEqual(b.commands);
        for (const [verdicts, others] of [
          [commands.old, b.commands],
          [commands.new, a.commands],
        ] as const) {
          for (const { command, class: kind, finding } of verdicts) {
            const atValue = others.filter(({ value }) => value === command.value);
            // Another name of what stays at the value is added, and takes nothing away.
            const own = verdicts === commands.old ? a.commands : b.commands;
            const staysAt = atValue.some((other) => own.some((o) => o.name === other.name && o.value === other.value));
            const kinds = ['same', 'renamed', 'silent-alias', 'code-overlap', ...(staysAt ? ['added'] : [])];
            expect(kinds.includes(kind)).toBe(atValue.length > 0);
            expect(kind === 'same').toBe(atValue.some(({ name }) => name === command.name));
            expect(finding === undefined).toBe(kind === 'same');
            if (finding) expect([finding.old?.name, finding.new?.name]).toContain(command.name);
          }
        }
      }),
    );
  });

  test('an ABI compared with itself differs in nothing', () => {
    const nothing = (a: AbiModel) => void expect(compare(a, a).findings).toEqual([]);
    fc.assert(fc.property(commandsArb, nothing));
    fc.assert(fc.property(modelArb, nothing));
  });
});
