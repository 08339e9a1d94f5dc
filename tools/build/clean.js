// Removes dist/ before a build, so a file deleted from the tree cannot live on in the package.
import { rmSync } from 'node:fs';

rmSync(new URL('../../dist', import.meta.url), { recursive: true, force: true });
