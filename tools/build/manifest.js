// What is packed has no script that npm would warn of at an install: `prepare` is for who works on the sources. `pack` takes it out of
// package.json while npm packs, `restore` puts the file back.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MANIFEST = fileURLToPath(new URL('../../package.json', import.meta.url));
const KEPT = fileURLToPath(new URL('../../dist/package.json.kept', import.meta.url));

if (process.argv[2] === 'pack') {
  const text = readFileSync(MANIFEST, 'utf8');
  writeFileSync(KEPT, text);
  const manifest = JSON.parse(text);
  for (const field of ['scripts', 'devDependencies', 'overrides']) delete manifest[field];
  writeFileSync(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
} else if (existsSync(KEPT)) {
  renameSync(KEPT, MANIFEST);
}
