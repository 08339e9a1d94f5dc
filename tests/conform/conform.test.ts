import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { stride } from '../counts.js';
import { comparedPart } from './exceptions.js';
import { readRecording, type Sequence } from './recording.js';
import { type Divergence, Replayer } from './replay.js';

const FAMILIES = ['small', 'mix', 'coherent', 'thp', 'swap', 'huge', 'pin', 'raw'];
/** Every so many sequences one is replayed; generated.test.ts holds the paths against each other. */
const STRIDES: Readonly<Record<string, number>> = { classic: stride(1, 192), unified: stride(2, 192) };
const SHOWN_STEPS = 12;
/** Guards against a hang, not against a slow host. */
const TIMEOUT_MS = 600_000;

/** Fixed, so that two runs replay the same. */
function sample(sequences: readonly Sequence[], one: number): Sequence[] {
  return sequences.filter((_, i) => i % one === 0).map(comparedPart);
}

function text({ seq, at, op, expected, actual, before }: Divergence): string {
  const shown = before.slice(-SHOWN_STEPS).map(([line, answer]) => `  ${line} => ${answer}`);
  return [`${seq} step ${at}:`, ...shown, `! ${op}`, `  kernel  ${expected}`, `  dmirror ${actual}`].join('\n');
}

describe.each(EQUAL_PATHS)('recordings on the %s path', (path) => {
  it.each(FAMILIES)('%s: every answer is the real kernel’s', { timeout: TIMEOUT_MS }, (family) => {
    const file = fileURLToPath(new URL(`./recordings/${family}.jsonl.gz`, import.meta.url));
    const replayer = new Replayer({ path, checkInvariants: true });
    const divergences = sample(readRecording(file), STRIDES[path]!).flatMap(
      (sequence) => replayer.replay(sequence) ?? [],
    );
    expect(divergences.slice(0, 3).map(text).join('\n\n')).toBe('');
  });
});
