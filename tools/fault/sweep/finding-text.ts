import { shellQuote } from '../../glob.js';
import type { SweepFinding } from './sweep-job.js';

/** A finding as lines: first the faults, then what broke, where the fault struck, and how to see it again. */
export function findingLines({ token, kind, message, after, fired }: SweepFinding): string[] {
  const faults = fired.map(
    ({ point, phase, command, page }) => `${point} in ${phase} of ${command}${page < 0 ? '' : `, page ${page}`}`,
  );
  return [
    `faults injected: ${faults.join('; ') || 'none'}`,
    `${kind}: ${message}`,
    ...(after === '' ? [] : [`seen after: ${after}`]),
    ...fired.map(({ path }) => `code path: ${path.join(' < ')}`),
    `replay: npx --no-install dmirror fault replay ${shellQuote(token)}`,
  ];
}
