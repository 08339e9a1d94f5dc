// The command starts for every header, plan and test, so that its start counts: this makes one program of its modules, in a few files
// that load as they are needed. Who imports the package, and the benches that edit the machine, have it as the compiler wrote it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const OUT = join(DIST, 'bundle');

const workers = readdirSync(DIST, { recursive: true }).filter((name) => name.endsWith('-worker.js'));

/** A module finds files from where it lay; but the workers that it starts lie beside the bundle. */
function placed(code, id) {
  if (!id.startsWith(DIST)) return null;
  return code.replaceAll(/'[^']*?([\w-]+-worker\.js)', import\.meta\.url|import\.meta\.url/g, (_, worker) =>
    worker ? `'./${worker}', import.meta.url` : `new URL('${relative(OUT, id)}', import.meta.url).href`,
  );
}

/** The terms of a library, which want to be where its code is. */
function licence(folder) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  return `${folder.replace(/.*node_modules\//, '')}\n\n${readFileSync(join(folder, file), 'utf8')}`;
}

const bundle = await rolldown({
  input: ['tools/dmirror.js', ...workers].map((name) => join(DIST, name)),
  platform: 'node',
  // It finds a file of its own too.
  external: ['tinypool'],
  plugins: [{ name: 'placed', transform: placed }],
});
const { output } = await bundle.write({
  dir: OUT,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  codeSplitting: {
    groups: [
      // What every command needs, with `abi check`, which runs for every change of a header.
      { name: 'start', test: /\/dist\/tools\/(dmirror|commands\/abi-check)\.js$/, priority: 1 },
      { name: 'machine', test: /\/dist\/driver\// },
    ],
  },
});
await bundle.close();

const modules = output.flatMap(({ moduleIds = [] }) => moduleIds);
const libraries = new Set(modules.flatMap((id) => /.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []));
writeFileSync(join(OUT, 'licences.txt'), [...libraries].sort().map(licence).join('\n\n'));
