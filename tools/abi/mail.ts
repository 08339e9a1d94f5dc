// Patches as they travel: a bare diff, the output of format-patch, or an mbox whose messages a mailer has encoded.

/** The text of each message, decoded, in the order that the subjects give; attachments that are text come after the body. */
export function mailTexts(bytes: Buffer): string[] {
  const raw = bytes.toString('latin1').replaceAll('\r\n', '\n');
  const messages = messagesOf(raw).map((message) => ({ text: messageText(message), number: patchNumber(message) }));
  return messages.sort((a, b) => a.number - b.number).map(({ text }) => text);
}

/** The 3 of `Subject: [PATCH v2 3/7] ...`; 0 for a message without. */
function patchNumber(raw: string): number {
  const subject = partOf(raw)?.headers.get('subject') ?? '';
  return Number(/^\s*\[[^\]]*?(\d+)\/\d+\]/.exec(subject)?.[1] ?? 0);
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

interface Part {
  headers: ReadonlyMap<string, string>;
  body: string;
}

function messageText(raw: string): string {
  const part = partOf(raw);
  return part ? partText(part) : Buffer.from(raw, 'latin1').toString('utf8');
}

/** Undefined when the text does not begin with mail headers: a bare diff. */
function partOf(raw: string): Part | undefined {
  const end = raw.indexOf('\n\n');
  if (end < 0) return undefined;
  const lines = raw
    .slice(0, end)
    .replace(/\n[ \t]+/g, ' ')
    .split('\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = /^([\w-]+):\s*(.*)$/.exec(line);
    if (!match) return undefined;
    headers.set(match[1]!.toLowerCase(), match[2]!);
  }
  return { headers, body: raw.slice(end + 2) };
}

function partText({ headers, body }: Part): string {
  const type = headers.get('content-type') ?? 'text/plain';
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (/^multipart\//i.test(type) && boundary !== undefined) {
    return body
      .split(`--${boundary}`)
      .slice(1)
      .filter((piece) => !piece.startsWith('--'))
      .map(
        (piece) =>
          partOf(piece.replace(/^\n/, '')) ?? { headers: new Map<string, string>(), body: piece.replace(/^\n+/, '') },
      )
      .map(partText)
      .join('\n');
  }
  if (!/^(text\/|application\/octet-stream)/i.test(type)) return '';
  const decoded = decode(body, headers.get('content-transfer-encoding')?.trim().toLowerCase());
  const charset = /charset="?([\w-]+)"?/i.exec(type)?.[1]?.toLowerCase();
  return decoded.toString(charset === 'iso-8859-1' ? 'latin1' : 'utf8').replaceAll('\r\n', '\n');
}

function decode(body: string, encoding: string | undefined): Buffer {
  if (encoding === 'base64') return Buffer.from(body, 'base64');
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1');
  const text = body
    .replace(/[ \t]+$/gm, '')
    .replace(/=\n/g, '')
    .replace(/=([\dA-F]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return Buffer.from(text, 'latin1');
}
