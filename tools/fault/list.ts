import { FAULT_POINTS } from '../../driver/core/fault-points.js';
import { EXIT } from '../exit-code.js';
import type { Output } from '../selftest.js';

/** `dmirror fault list`: the catalogue of fault points. */
export function listPoints({ json }: { json: boolean }, output: Output): number {
  if (json) {
    for (const point of FAULT_POINTS) output.out(JSON.stringify(point));
    return EXIT.pass;
  }
  const width = Math.max(...FAULT_POINTS.map(({ name }) => name.length));
  for (const { name, phases, returns, sleeps, profile, about } of FAULT_POINTS) {
    output.out(`${name.padEnd(width)}  ${about}`);
    const ways = [...returns, ...(sleeps ? ['delay', 'run'] : [])];
    output.out(`${''.padEnd(width)}  phases: ${phases.join(', ')}; can: ${ways.join(', ')}; profile: ${profile}`);
  }
  return EXIT.pass;
}
