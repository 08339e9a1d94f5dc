import type { Finding, Tree } from './tree.js';

/** The rooms of the kernel; each may import those before it. */
const ROOMS = ['trace', 'core', 'inject', 'mm', 'hmm', 'dmirror', 'sys'].map((room) => `driver/${room}`);

/** What each layer may import besides itself. `uapi` is open to all; packages and node modules are listed by prefix. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // node:net is for client/connect.ts alone.
  uapi: ['pkg:msgpackr', 'pkg:node:net'],
  ...Object.fromEntries(ROOMS.map((room, i) => [room, ROOMS.slice(0, i)])),
  'driver/cpu': ROOMS,
  'driver/guest': [...ROOMS, 'driver/cpu'],
  'driver/check': ROOMS,
  'driver/recording': ROOMS,
  'driver/explore': [...ROOMS, 'driver/check'],
  'driver/daemon': [...ROOMS, 'pkg:'],
  index: ['driver/'],
  // The suite is a client like any other: what it can reach is the public face.
  'tests/selftests': ['index'],
  // Measurements look inside, as the unit tests do.
  'tests/bench': ['driver/', 'index', 'tests/selftests', 'tests/conform', 'pkg:'],
  // The replayer of recordings reads and reports what is inside.
  'tests/conform': ['driver/', 'pkg:'],
  'tests/litmus': [],
  tools: ['driver/', 'index', 'tests/selftests', 'tests/bench', 'tests/conform', 'tests/litmus', 'pkg:'],
  tests: ['driver/', 'index', 'tools', 'tests/', 'pkg:'],
};

/** Imports that point against the layers, or out of a layer that may name nothing outside. */
export function checkLayers(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const file of tree.files) {
    const from = layerOf(file.path);
    if (from === undefined) {
      findings.push({ file: file.path, line: 1, message: 'belongs to no layer of ARCHITECTURE.md' });
      continue;
    }
    for (const { target, external, line } of file.imports) {
      const to = external ? `pkg:${target}` : layerOf(target);
      if (to !== undefined && isAllowed(from, to)) continue;
      findings.push({ file: file.path, line, message: `${from} may not import ${external ? target : (to ?? target)}` });
    }
  }
  return findings;
}

function isAllowed(from: string, to: string): boolean {
  if (from === to || to === 'uapi') return true;
  return (MAY_IMPORT[from] ?? []).some((prefix) =>
    /[:/]$/.test(prefix) || prefix.startsWith('pkg:') ? to.startsWith(prefix) : to === prefix,
  );
}

/** A test file beside the suite is a test; the suite's own files are a layer, as the built package holds them. */
function layerOf(path: string): string | undefined {
  if (path === 'index.ts') return 'index';
  const parts = path.split('/');
  if (parts[0] === 'driver') return parts.length > 2 ? knownLayer(`driver/${parts[1]}`) : undefined;
  if (path.endsWith('.test.ts')) return 'tests';
  return knownLayer(`${parts[0]}/${parts[1]}`) ?? knownLayer(parts[0]!);
}

function knownLayer(name: string): string | undefined {
  return name in MAY_IMPORT ? name : undefined;
}
