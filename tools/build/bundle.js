// `dmirror abi check` runs for every change of a header, so that its start counts: this makes one small program of it. Commands that it
// never loads are left out, and everything else runs from dist/ as the compiler wrote it.
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const out = path('dist/abi-check');

const bundle = await rolldown({
  input: path('dist/tools/dmirror.js'),
  platform: 'node',
  plugins: [
    {
      name: 'leave other commands where they are',
      resolveDynamicImport(specifier, importer) {
        if (typeof specifier !== 'string' || !specifier.startsWith('.')) return null;
        const target = resolve(dirname(importer), specifier);
        if (/\/tools\/(abi\/|commands\/abi-check)/.test(target)) return null;
        return { id: relative(out, target), external: true };
      },
    },
  ],
});
await bundle.write({ dir: out, format: 'esm', minify: true });
await bundle.close();
