import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseHeader } from '../../../../../tools/abi/c/parse-header.js';
import { SourceText } from '../../../../../tools/abi/c/source-text.js';
import { targetByName } from '../../../../../tools/abi/c/target.js';
import { isInstalled, needs } from '../../../../needs.js';
import { askGcc, type HeaderBits, type HeaderValue, valuesOf } from '../gcc.js';

// Headers of Debian's linux-libc-dev, in groups that can be included together. The stored results are what gcc 12 computed for
// linux-libc-dev 6.1.187: a digest of each header's text and one of its values, for where there is no gcc.
interface Stored {
  groups: string[][];
  results: Record<string, { text: string; x86_64: string; i386: string }>;
}

const STORED = new URL('../debian-headers.json', import.meta.url);
const stored = JSON.parse(readFileSync(STORED, 'utf8')) as Stored;
const FOLDERS = ['/usr/include/', '/usr/include/x86_64-linux-gnu/'];
const FLAGS: Readonly<Record<string, string[]>> = { x86_64: ['-m64'], i386: ['-m32', '-isystem', FOLDERS[1]!] };
const PROLOGUE = '#include <stddef.h>\n#include <linux/types.h>\n#include <linux/ioctl.h>\n';

const present = stored.groups.map((group) => group.filter((name) => existsSync(FOLDERS[0] + name)));
const withGcc = isInstalled('gcc');

function findHeader(name: string): SourceText | undefined {
  const path = FOLDERS.map((folder) => folder + name).find((file) => existsSync(file));
  return path === undefined ? undefined : new SourceText(path, readFileSync(path, 'utf8'));
}

const textOf = (name: string) => readFileSync(FOLDERS[0] + name, 'utf8');
const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

async function ours(name: string, target: string) {
  return valuesOf(await parseHeader(name, textOf(name), { target: targetByName(target)!, findHeader }));
}

function digestOf({ values, bits }: { values: HeaderValue[]; bits: HeaderBits[] }): string {
  return digest([...values, ...bits].map(({ name, ours: value }) => `${name} ${value}\n`).join(''));
}

test(
  'there are at least 60 headers of linux-libc-dev to read',
  needs('linux-libc-dev', present.flat().length > 0),
  () => {
    expect(present.flat().length).toBeGreaterThanOrEqual(60);
  },
);

describe.each(['x86_64', 'i386'])('on %s', (target) => {
  test.each(present.map((group, i) => [i + 1, group] as const))(
    'group %i has every size, offset and number that gcc computes',
    async (_, group) => {
      const all = await Promise.all(group.map((name) => ours(name, target)));
      const values = all.flatMap((header) => header.values);
      const bits = all.flatMap((header) => header.bits);
      if (withGcc) {
        const includes = group.map((name) => `#include <${name}>\n`).join('');
        const theirs = askGcc(PROLOGUE + includes, { values, bits }, FLAGS[target]);
        const differing = values.flatMap(({ name, ours }, i) =>
          ours === theirs.values[i] ? [] : [{ name, ours, gcc: theirs.values[i] }],
        );
        expect(differing).toEqual([]);
        expect(
          bits.flatMap(({ name, ours }, i) => (ours === theirs.bits[i] ? [] : [{ name, ours, gcc: theirs.bits[i] }])),
        ).toEqual([]);
      }
      group.forEach((name, i) => {
        const result = stored.results[name]!;
        // Another release of the package is another text, for which nothing is stored.
        if (result.text === digest(textOf(name)))
          expect([name, digestOf(all[i]!)]).toEqual([name, result[target as 'i386']]);
      });
    },
  );
});
