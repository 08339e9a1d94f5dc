// Builds where a source, or a folder that has lost one, is younger than what was built last: `npm ci` has just made what `npm test` needs, and `npx dmirror` in
// a checkout, which prepares it the first time, takes nothing away from who uses what is built.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['uapi', 'driver', 'tools', 'tests'];
const FILES = ['index.ts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
/** What the last step of a build writes. */
const BUILT = 'dist/view/page.js';

const below = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true }).map((at) => join(folder, at)),
);
const changedMs = (path) => statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const newestMs = Math.max(...[...FILES, ...FOLDERS, ...below].map(changedMs));
if (newestMs >= changedMs(BUILT))
  process.exitCode = spawnSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' }).status;
