import { dialectByName } from '../../uapi/dialect.js';
import { shellQuote } from '../glob.js';
import { wrapped } from './mail-lines.js';
import type { Posting, Review } from './review.js';

const MOST_SHOWN = 6;

/** What the posting's header does to clients of each numbering that Linux has released. */
export function headerLines({ abi, posting }: Review): string[] {
  if (posting.header === null) return ['', 'The header', 'Not changed.'];
  // Another shard has looked at it.
  if (abi.length === 0) return [];
  const breaking = abi.filter(({ breaks }) => breaks > 0);
  const counts = breaking.map(
    ({ old, breaks, own }) => `${old} (${breaks}${own < breaks ? `, ${own} by the posting` : ''})`,
  );
  const effects = effectsOf(abi);
  const rest = effects.slice(MOST_SHOWN);
  return [
    '',
    'The header',
    ...wrapped(
      `Against ${abi.length} released numberings, ${breaking.length} of them break: ${counts.join(', ') || 'none'}.`,
    ),
    ...effects.slice(0, MOST_SHOWN).flatMap(({ text, of }) => wrapped(`- ${kernels(of, abi)}: ${text}`)),
    ...(rest.length === 0
      ? []
      : [
          `- and ${rest.length} more:`,
          ...shownBy(rest, abi).map((numbering) => `    ${checkCommand(numbering, posting.header!)}`),
        ]),
  ];
}

/** Something that clients get, and the numberings that they are built for, newest first. */
interface Effect {
  readonly text: string;
  readonly of: readonly string[];
}

/** What nobody is told first, and of that what clients of the newest numbering get. */
function effectsOf(abi: Review['abi']): Effect[] {
  const all = new Map<string, string[]>();
  for (const kind of ['silent', 'errors'] as const)
    for (const each of abi)
      for (const text of each[kind]) {
        const known = all.get(text);
        if (known === undefined) all.set(text, [each.numbering]);
        else known.push(each.numbering);
      }
  return [...all].map(([text, of]) => ({ text, of }));
}

/** Versions of Linux: what is without a gap as one span. */
function kernels(of: readonly string[], abi: Review['abi']): string {
  const spans: (readonly string[])[] = [];
  let wasIn = false;
  for (const { numbering } of abi.toReversed()) {
    const isIn = of.includes(numbering);
    const versions = dialectByName(numbering)!.aliases;
    if (isIn) spans.push(wasIn ? [...spans.pop()!, ...versions] : versions);
    wasIn = isIn;
  }
  return spans
    .map((versions) => (versions.length > 1 ? `${versions[0]} to ${versions.at(-1)}` : versions[0]))
    .join(', ');
}

/** The numberings with which all of them are shown. */
function shownBy(effects: readonly Effect[], abi: Review['abi']): string[] {
  const chosen = new Set<string>();
  for (const { of } of effects) if (!of.some((numbering) => chosen.has(numbering))) chosen.add(of[0]!);
  return abi.map(({ numbering }) => numbering).filter((numbering) => chosen.has(numbering));
}

function checkCommand(numbering: string, { base, dialect, mbox }: NonNullable<Posting['header']>): string {
  if (mbox === undefined) return `dmirror abi check ${numbering} ${dialect}`;
  return `dmirror abi check ${numbering} --patch ${shellQuote(mbox)}${numbering === base ? '' : ` --base ${base}`}`;
}
