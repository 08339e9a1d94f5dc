// Makes one script of the page of `dmirror view` and of what it uses of the emulation: views of a recording, texts of events. An
// argument is another place for it than dist/.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const file = process.argv[2] ?? path('dist/view/page.js');

mkdirSync(dirname(file), { recursive: true });
const bundle = await rolldown({
  input: path('tools/view/page/start.ts'),
  platform: 'browser',
  tsconfig: false,
  // No module does anything by being loaded, so those of which nothing is used are left out.
  treeshake: { moduleSideEffects: (id) => id.endsWith('/start.ts') },
});
const banner = `/* preact\n\n${readFileSync(path('node_modules/preact/LICENSE'), 'utf8')}*/`;
await bundle.write({ file, format: 'iife', minify: true, postBanner: banner });
await bundle.close();
