import { type Recording, readRecordingFile } from '../../tests/conform/recording.js';
import { inputBytes, UsageError } from '../exit-code.js';

/** A recording that the user named. Throws UsageError. */
export function recordingInput(
  file: string,
  hint = 'a recording has one JSON object a line, plain or gzip',
): Recording {
  try {
    const found = readRecordingFile(file, inputBytes(file, hint));
    if (found.sequences.length === 0) throw new Error(`${file}: it is empty`);
    return found;
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message, hint);
  }
}
