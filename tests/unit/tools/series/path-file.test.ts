import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { describe, expect, it } from 'vitest';
import { migrationPath, pathError, valuesOf } from '../../../../driver/hmm/index.js';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import { PATH_FILE, readPathFile } from '../../../../tools/series/path-file.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { Replayer } from '../../../conform/replay.js';
import { ROOT } from '../../structure/tree.js';

const FILE = join(ROOT, 'docs/schemas/path.schema.json');

it('docs/schemas/path.schema.json says what is checked', () => {
  const schema = toJsonSchema(PATH_FILE, { target: 'draft-2020-12', errorMode: 'ignore' });
  const text = `${JSON.stringify({ ...schema, title: 'A migration path of dmirror series' }, null, 1)}\n`;
  if (process.env.DMIRROR_UPDATE) writeFileSync(FILE, text);
  else expect(readFileSync(FILE, 'utf8'), 'DMIRROR_UPDATE=1 renews it').toBe(text);
});

it('every property of a path is told of', () => {
  const { name: _, ...properties } = migrationPath('unified');
  expect(PROPERTIES.map(({ name }) => name).sort()).toEqual(Object.keys(properties).sort());
});

describe('a path file', () => {
  function read(text: string): ReturnType<typeof readPathFile> {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-path-'));
    const file = join(folder, 'mine.yaml');
    writeFileSync(file, text);
    try {
      return readPathFile(file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it('is its base with what it changes', () => {
    const properties = 'undoesOnError: true\n  splitsMappedByPages: never\n  keepsPreparedWords: false';
    const { name, path } = read(`base: posted-late\nname: v12\nproperties:\n  ${properties}\n  setupRestores: true\n`);
    expect(name).toBe('v12');
    expect(path).toBe('posted-late+undoesOnError+keepsPreparedWords=false+splitsMappedByPages=never');
    expect(pathError(path)).toBeNull();
    expect(migrationPath(path)).toEqual({
      ...migrationPath('posted-late'),
      name: path,
      undoesOnError: true,
      splitsMappedByPages: 'never',
      keepsPreparedWords: false,
    });
  });

  it.each(PROPERTIES.map(({ name }) => name))('can change %s alone, and the call still answers', (name) => {
    const ops = 'open 0 0; map 0 0 0 2 anon rw; store 0 0 1 1 7; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2'.split('; ');
    for (const base of ['posted-v1', 'posted-late'] as const)
      for (const value of valuesOf(name).filter((one) => one !== `${migrationPath(base)[name]}`)) {
        const { path } = read(`base: ${base}\nproperties:\n  ${name}: ${value}\n`);
        const changed = {
          ...migrationPath(base),
          name: path,
          [name]: /^(true|false)$/.test(value) ? value === 'true' : value,
        };
        expect(migrationPath(path)).toEqual(changed);
        const { steps } = new Replayer({ path, machine: { ramBytes: 16 << 20 } }).record('small-0', ops).sequence;
        expect(steps.at(-1)?.[1], path).toMatch(/^(0 2 0 00000000 00000007|-2 0 0)$/);
      }
  });

  it.each([
    ['posted-lat', 'path', 'posted-lat'],
    ['constructor', 'path', 'constructor'],
    ['unified+undoesOnError=true=false', 'value of undoesOnError', 'true=false'],
    ['unified+undosOnError', 'property of a path', 'undosOnError'],
    ['unified+splitsMappedByPages', 'value of splitsMappedByPages', 'true'],
    ['unified+clearsDst=maybe', 'value of clearsDst', 'maybe'],
  ])('%s is no path', (text, what, word) => {
    expect(pathError(text)).toMatchObject({ what, word });
    expect(() => new Machine({ path: text as PathName })).toThrow(`no ${what} '${word}'; there are `);
  });

  it.each([
    [
      'base: posted-late\nproperties:\n  undosOnError: true\n',
      /mine\.yaml:3:3: 'undosOnError' .*did you mean 'undoesOnError'/,
    ],
    ['base: posted-lat\nproperties: {}\n', /mine\.yaml:1:7: 'posted-lat' .*did you mean 'posted-late'/],
    ['base: unified\nproperties:\n  clearsDst: maybe\n', /mine\.yaml:3:14: true or false/],
    ['properties: {}\n', /mine\.yaml:1:1: 'base' is missing/],
    ['base: unified\npropertys: {}\n', /mine\.yaml:2:1: 'propertys' .*did you mean 'properties'/],
    ['base: [\n', /mine\.yaml:/],
  ])('%j is refused with the place and what was meant', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});
