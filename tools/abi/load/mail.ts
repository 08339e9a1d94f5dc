// Patches as they travel: a bare diff, the output of format-patch, or an mbox whose messages a mailer has encoded. postal-mime reads one
// message; how an mbox holds several, and in which order a series applies, is ours.

import PostalMime from 'postal-mime';

/** The text of each message, decoded, in the order that the subjects give; attachments that are text come after the body. */
export async function mailTexts(bytes: Buffer): Promise<string[]> {
  const messages = await Promise.all(messagesOf(bytes.toString('latin1').replaceAll('\r\n', '\n')).map(readMessage));
  return messages.sort((a, b) => a.number - b.number).map(({ text }) => text);
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

async function readMessage(raw: string): Promise<{ text: string; number: number }> {
  const bytes = Buffer.from(raw, 'latin1');
  // A bare diff has no header lines.
  if (!/^(?:[\w-]+:.*\n(?:[ \t].*\n)*)+\n/.test(raw)) return { text: bytes.toString('utf8'), number: 0 };
  const { subject = '', text = '', attachments } = await PostalMime.parse(bytes);
  const isText = ({ mimeType }: { mimeType: string }) => /^(text\/|application\/octet-stream)/i.test(mimeType);
  const attached = attachments.filter(isText).map(({ content }) => {
    return typeof content === 'string' ? content : Buffer.from(content as ArrayBuffer).toString('utf8');
  });
  // The 3 of `Subject: [PATCH v2 3/7] ...`; 0 for a message without.
  const number = Number(/^\s*\[[^\]]*?(\d+)\/\d+\]/.exec(subject)?.[1] ?? 0);
  return { text: [text, ...attached].join('\n').replaceAll('\r\n', '\n'), number };
}
