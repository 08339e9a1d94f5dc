import { knowsFunctionNames } from '../../../driver/core/call-path.js';
import { nearest } from '../../nearest.js';
import { KERNEL_FUNCTIONS } from './kernel-functions.js';

/** Our functions, by every name that a plan may call them: ours, ours as the kernel would spell it, and those of Linux that they cite. */
const BY_SPELLING = new Map<string, Set<string>>();
const CITED = new Map<string, string>();
for (const entry of KERNEL_FUNCTIONS.trim().split(/\s+/)) {
  const [name, ...cited] = entry.split('=');
  if (cited[0] !== undefined) CITED.set(name!, cited[0]);
  for (const spelling of [name!, snakeCase(name!), ...cited])
    BY_SPELLING.set(spelling, (BY_SPELLING.get(spelling) ?? new Set()).add(name!));
}

/** The function of Linux that ours of this name cites; several may, and then it is the first. Undefined: none that leads to a fault point. */
export function citedBy(name: string): string | undefined {
  return CITED.get(name);
}

export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The functions that `caller: NAME` means; undefined when no point can be reached from any of that name. */
export function functionsOf(caller: string): ReadonlySet<string> | undefined {
  return BY_SPELLING.get(caller.replace(/^.*\./, '').replace(/\(\)$/, ''));
}

/** What is wrong with `caller: NAME`; undefined when it can be honoured. */
export function wrongCaller(caller: string): string | undefined {
  if (!knowsFunctionNames())
    return 'this copy of dmirror was minified from its sources, and so knows no callers; bundle the built package';
  if (functionsOf(caller) !== undefined) return undefined;
  const near = nearest(caller, [...BY_SPELLING.keys()]);
  const way =
    near === undefined ? 'write the name of a kernel function, as migrate_vma_pages' : `did you mean '${near}'?`;
  return `no function '${caller}' leads to a fault point (${way})`;
}
