import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { UsageError } from '../exit-code.js';

/** Text in the characters of a token; what `words` has too takes little room. Tokens that are printed with some can only be read with the same. */
export function packed(text: string, words = ''): string {
  return deflateRawSync(text, { level: 9, dictionary: Buffer.from(words) }).toString('base64url');
}

/** The reverse. Throws UsageError. */
export function unpacked(text: string, words = ''): string {
  try {
    return inflateRawSync(Buffer.from(text, 'base64url'), { dictionary: Buffer.from(words) }).toString();
  } catch {
    throw new UsageError(`what is packed as '${text}' is damaged`, 'print the token anew');
  }
}
