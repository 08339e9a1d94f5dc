// Patches as they travel: a bare diff, the output of format-patch, or an mbox whose messages a mailer has encoded. postal-mime reads one
// message; how an mbox holds several, and in which order a series applies, is ours.

import PostalMime from 'postal-mime';
import { UsageError } from '../../exit-code.js';
import { type FilePatch, parsePatches } from './patch.js';

export interface MailPatches {
  /** In the order that the subjects give. */
  readonly patches: readonly FilePatch[];
  /** Mails that were left out, as they answer others: a diff in one is a proposal. */
  readonly replies: number;
}

interface Message {
  readonly text: string;
  readonly subject: string;
  /** The 3 of `Subject: [PATCH v2 3/7] ...`; 0 for a message without. */
  readonly number: number;
  /** The 2 of it. */
  readonly version: string;
}

const REPLY = /^\s*(?:re|aw|sv|antw)\s*(?:\[\d+\])?:/i;

/** The patches of all messages but replies. Throws UsageError with the message that has a broken one, and for more than one posting. */
export async function mailPatches(file: string, bytes: Buffer): Promise<MailPatches> {
  const all = await Promise.all(messagesOf(bytes.toString('latin1').replaceAll('\r\n', '\n')).map(readMessage));
  const first = all.filter(({ subject }) => !REPLY.test(subject));
  // Who gives nothing but a reply means its patch.
  const messages = first.length > 0 ? first : all;
  const parsed = messages.map((message) => ({ ...message, patches: patchesOf(file, message) }));
  const seen = new Map(parsed.map((each) => [`${each.subject}\n${JSON.stringify(each.patches)}`, each]));
  const mails = [...seen.values()].filter(({ patches }) => patches.length > 0).sort((a, b) => a.number - b.number);
  checkOne(file, mails);
  return { patches: mails.flatMap(({ patches }) => patches), replies: all.length - messages.length };
}

function patchesOf(file: string, { subject, text }: Message): FilePatch[] {
  try {
    return parsePatches(text).filter(({ newPath }) => newPath !== '');
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${file}: ${subject === '' ? '' : `'${subject}': `}${error.message}`, error.hint);
  }
}

/** Patches of two versions, or two with one number, would be applied on top of each other. */
function checkOne(file: string, mails: readonly Message[]): void {
  const tagged = mails.filter(({ version }) => version !== '');
  const twice = tagged.find(({ number }, i) => number > 0 && tagged[i - 1]?.number === number);
  const other = tagged.find(({ version }) => version !== tagged[0]!.version) ?? twice;
  if (other === undefined) return;
  const before = other === twice ? tagged[tagged.indexOf(twice) - 1]! : tagged[0]!;
  throw new UsageError(
    `${file} holds more than one posting: '${before.subject}' and '${other.subject}'`,
    'give each its own file, with all its patches once',
  );
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
async function readMessage(raw: string): Promise<Message> {
  const bytes = Buffer.from(raw, 'latin1');
  // A bare diff has no header lines.
  if (!/^(?:[\w-]+:.*\n(?:[ \t].*\n)*)+\n/.test(raw))
    return { text: bytes.toString('utf8'), subject: '', number: 0, version: '' };
  const { subject = '', text = '', attachments } = await PostalMime.parse(bytes);
  const isText = ({ mimeType }: { mimeType: string }) => /^(text\/|application\/octet-stream)/i.test(mimeType);
  const attached = attachments.filter(isText).map(({ content }) => {
    return typeof content === 'string' ? content : Buffer.from(content as ArrayBuffer).toString('utf8');
  });
  const [, tags] = /^\s*(?:\w+:\s*)?((?:\[[^\]]*\]\s*)+)/.exec(subject) ?? [];
  return {
    text: [text, ...attached].join('\n').replaceAll('\r\n', '\n'),
    subject,
    number: Number(/(\d+)\/\d+/.exec(tags ?? '')?.[1] ?? 0),
    version: tags === undefined ? '' : (/\bv(\d[\d.]*)/i.exec(tags)?.[1] ?? '1'),
  };
}
