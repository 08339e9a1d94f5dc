// msgpackr wants a native addon for strings, as an optional dependency of its own, and a project that installs this package could not
// leave it out. So the built files have msgpackr's own JavaScript among them, with its licence, and need nothing of it installed.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PACKAGE = join(ROOT, 'node_modules/msgpackr');
const VENDOR = join(ROOT, 'dist/vendor/msgpackr.js');

mkdirSync(dirname(VENDOR), { recursive: true });
const bundle = await rolldown({ input: join(PACKAGE, 'index.js'), platform: 'node' });
const banner = `/*!\nmsgpackr ${JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')).version}\n\n${readFileSync(join(PACKAGE, 'LICENSE'), 'utf8')}*/`;
await bundle.write({ file: VENDOR, format: 'esm', banner });
await bundle.close();

for (const name of readdirSync(join(ROOT, 'dist'), { recursive: true })) {
  const file = join(ROOT, 'dist', name);
  if (!name.endsWith('.js') || file === VENDOR) continue;
  const text = readFileSync(file, 'utf8');
  const own = text.replaceAll(/(?<=from )'msgpackr\/(?:un)?pack'/g, `'${relative(dirname(file), VENDOR)}'`);
  if (own !== text) writeFileSync(file, own);
}
