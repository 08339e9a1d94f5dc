import { describe, expect, test, vi } from 'vitest';
import { commandSpelling, dialectByName, recordDataBytes } from '../../../uapi/dialect.js';
import { loadAbiHistory } from './abi-history.js';

const history = loadAbiHistory();
const P = 'HMM_DMIRROR_';

describe.each(history.generations)('dialect $id', (generation) => {
  const dialect = dialectByName(generation.id)!;

  test('has exactly the commands and numbers of its header', () => {
    const numbers = [...dialect.numbers].map(([name, number]) => [
      P + commandSpelling(dialect, name),
      `0x${number.toString(16)}`,
    ]);
    const facts = Object.entries(generation.commands).map(([name, { ioctl }]) => [name, ioctl]);
    expect(new Map(numbers as [string, string][])).toEqual(new Map(facts as [string, string][]));
    expect([...dialect.commands.values()].sort()).toEqual(
      Object.values(generation.commands)
        .map(({ nr }) => nr)
        .sort(),
    );
  });

  test('has the records, constants and flags of its header', () => {
    const records = dialect.records.map((r) => [r.name, recordDataBytes(r), r.fields.map((f) => f.split(' ')[1])]);
    const facts = Object.entries(generation.structs).map(([name, s]) => [name, s.size, s.fields.map((f) => f.name)]);
    expect(records).toEqual(facts);
    const constants = [...dialect.constants].map(([name, value]) => [P + name, value]);
    const { enums, flags } = generation;
    expect(Object.fromEntries(constants)).toEqual({ ...enums.prot, ...enums.memory_type, ...flags });
  });
});

describe('all dialects', () => {
  test('are those of the history and our own', async () => {
    // Other tests of the same worker may have made more known.
    vi.resetModules();
    const { dialectIds } = await import('../../../uapi/dialect.js');
    expect(new Set(dialectIds())).toEqual(new Set([...history.generations.map((g) => g.id), 'dmirror']));
  });

  test('give every number the meanings it had', () => {
    for (const [number, meanings] of Object.entries(history.number_meanings)) {
      for (const [id, name] of Object.entries(meanings)) {
        const dialect = dialectByName(id)!;
        const command = dialect.names.get(Number(number))!;
        expect([number, id, commandSpelling(dialect, command)]).toEqual([number, id, name]);
      }
    }
  });

  test('accept no number above the highest known', () => {
    for (const [id, nr] of Object.entries(history.highest_accepted_nr)) {
      expect([id, Math.max(...dialectByName(id)!.commands.values())]).toEqual([id, nr]);
    }
  });

  test('are found by kernel version', () => {
    const versions = ['5.8', '5.10', '5.15', '6.0', '6.1', '6.12', '6.19', '7.2', '7.3'];
    expect(versions.map((v) => dialectByName(v)?.id)).toEqual(['M1', 'M2', 'M3', 'M4', 'M5', 'M5', 'M6', 'M6', 'M7']);
  });
});
