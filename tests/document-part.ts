import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Parts of a document that are made from the sources. With DMIRROR_UPDATE=1 the file is written anew; without, it must be what would be written. */
export function checkDocument(file: string, parts: Readonly<Record<string, string>>): void {
  const path = `${ROOT}/${file}`;
  const text = readFileSync(path, 'utf8');
  const wanted = Object.entries(parts).reduce((done, [name, part]) => withPart(done, name, part), text);
  if (process.env.DMIRROR_UPDATE === '1') writeFileSync(path, wanted);
  else expect(text, `${file} is not current: run its test with DMIRROR_UPDATE=1`).toBe(wanted);
}

/** `text` with the part called `name` replaced. Throws when there is no such part. */
function withPart(text: string, name: string, part: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end ${name} -->`];
  const first = text.indexOf(begin);
  const last = text.indexOf(end);
  if (first < 0 || last < first) throw new Error(`no part '${name}': it stands between ${begin} and ${end}`);
  return `${text.slice(0, first + begin.length)}\n${part}\n${text.slice(last)}`;
}
