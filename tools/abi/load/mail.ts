// Patches as they travel: a bare diff, the output of format-patch, or an mbox whose messages a mailer has encoded. postal-mime reads one
// message; how an mbox holds several, and in which order a series applies, is ours.

import PostalMime from 'postal-mime';
import { UsageError } from '../../exit-code.js';
import { type FilePatch, parsePatches } from './patch.js';

/** The patches of all messages, in the order that the subjects give. Throws UsageError with the message that has a broken one. */
export async function mailPatches(file: string, bytes: Buffer): Promise<FilePatch[]> {
  const messages = await Promise.all(messagesOf(bytes.toString('latin1').replaceAll('\r\n', '\n')).map(readMessage));
  messages.sort((a, b) => a.number - b.number);
  return messages.flatMap(({ text, subject }) => {
    try {
      return parsePatches(text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${file}: ${subject === '' ? '' : `'${subject}': `}${error.message}`, error.hint);
    }
  });
}

/** An mbox begins each message with a `From ` line, and quotes such lines of the text. */
function messagesOf(raw: string): string[] {
  const starts = [...raw.matchAll(/^From \S+ .*\d{4}.*$/gm)].filter(
    ({ index }) => index === 0 || raw.slice(index - 2, index) === '\n\n',
  );
  if (starts.length === 0) return [raw];
  return starts.map(({ index }, i) => {
    const message = raw.slice(raw.indexOf('\n', index) + 1, starts[i + 1]?.index);
    return message.replace(/^>(>*From )/gm, '$1');
  });
}

/** The text is decoded; attachments that are text come after the body. */
async function readMessage(raw: string): Promise<{ text: string; subject: string; number: number }> {
  const bytes = Buffer.from(raw, 'latin1');
  // A bare diff has no header lines.
  if (!/^(?:[\w-]+:.*\n(?:[ \t].*\n)*)+\n/.test(raw)) return { text: bytes.toString('utf8'), subject: '', number: 0 };
  const { subject = '', text = '', attachments } = await PostalMime.parse(bytes);
  const isText = ({ mimeType }: { mimeType: string }) => /^(text\/|application\/octet-stream)/i.test(mimeType);
  const attached = attachments.filter(isText).map(({ content }) => {
    return typeof content === 'string' ? content : Buffer.from(content as ArrayBuffer).toString('utf8');
  });
  // The 3 of `Subject: [PATCH v2 3/7] ...`; 0 for a message without.
  const number = Number(/^\s*\[[^\]]*?(\d+)\/\d+\]/.exec(subject)?.[1] ?? 0);
  return { text: [text, ...attached].join('\n').replaceAll('\r\n', '\n'), subject, number };
}
