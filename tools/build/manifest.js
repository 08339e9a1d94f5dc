// What is packed has no script that npm would warn of at an install: `prepare` is for who works on the sources. `pack` takes it out of
// package.json while npm packs, `restore` puts the file back; `strip FILE` does to a copy what `pack` does.
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MANIFEST = fileURLToPath(new URL('../../package.json', import.meta.url));
const KEPT = fileURLToPath(new URL('../../dist/package.json.kept', import.meta.url));

function strip(file) {
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  for (const field of ['scripts', 'devDependencies', 'overrides', 'knip']) delete manifest[field];
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

const [, , what, file] = process.argv;
if (what === 'strip') strip(file);
else if (what === 'pack') {
  copyFileSync(MANIFEST, KEPT);
  strip(MANIFEST);
} else if (existsSync(KEPT)) renameSync(KEPT, MANIFEST);
