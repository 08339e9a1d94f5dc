/** One command of a shell script. */
export interface Statement {
  readonly line: number;
  readonly text: string;
  /** What stands in its here-document. */
  readonly input?: string;
  /** It stands behind an `else` or `elif`. */
  readonly isOtherwise?: boolean;
}

/** Words that stand before a command. */
const LEADING = /^(?:(?:do|then|else|\{|!|if|elif)\s+|\((?!\()\s*)/;
/** The begin of a function, and what stands behind it on the line. */
export const FUNCTION = /^(?:function\s+([\w-]+)\s*(?:\(\s*\))?|([\w-]+)\s*\(\s*\))\s*\{?\s*(.*)$/;
const HERE_DOCUMENT = /\s*(?<!<)<<(?!<)-?\s*(["']?)(\w+)\1/;

/** One command each, without comments and the words of the grammar around it. */
export function statementsOf(source: string, firstLine: number): Statement[] {
  return new Splitter(source, firstLine).split();
}

class Splitter {
  private readonly statements: Statement[] = [];
  private startLine: number;
  private text = '';
  private depth = 0;
  /** Braces that are open: of functions, whose end is told, or of other commands. */
  private readonly braces: ('function' | 'group')[] = [];
  /** Whether each `if` that is open is in its first branch. */
  private readonly branches: ('first' | 'other')[] = [];
  private at = 0;

  constructor(
    private readonly source: string,
    private line: number,
  ) {
    this.startLine = line;
  }

  split(): Statement[] {
    const { source } = this;
    let quote = '';
    for (; this.at < source.length; this.at++) {
      const char = source[this.at]!;
      const pair = source.slice(this.at, this.at + 2);
      if (char === '\n') this.line++;
      if (quote !== '') {
        if (char === quote) quote = '';
        this.text += char;
      } else if (pair === '\\\n') {
        this.line++;
        this.at++;
        this.text += ' ';
      } else if (char === '#' && /(^|\s)$/.test(this.text)) {
        while (this.at + 1 < source.length && source[this.at + 1] !== '\n') this.at++;
      } else if (pair === '((') this.keep(pair, 2);
      else if (pair === '))') this.keep(pair, -2);
      else if (char === '\n' || (char === ';' && this.depth === 0)) this.end(char);
      else if (pair === '&&' || pair === '||') {
        this.at++;
        this.end(pair);
      } else if (char === '&' && !/[<>]$/.test(this.text) && pair !== '&>') this.end(char);
      else {
        if (char === '"' || char === "'") quote = char;
        this.keep(char, 0);
      }
    }
    this.end('');
    return this.statements;
  }

  /** Inside of `(( ))` a semicolon ends nothing. */
  private keep(text: string, deeper: number): void {
    if (this.text.trim() === '') this.startLine = this.line;
    this.text += text;
    this.at += text.length - 1;
    this.depth = Math.max(0, this.depth + deeper);
  }

  private end(by: string): void {
    let command = this.text.trim();
    this.text = '';
    while (LEADING.test(command)) {
      if (command.startsWith('{')) this.opens('group');
      this.branch(command);
      command = command.replace(LEADING, '');
    }
    this.branch(command);
    const definition = FUNCTION.exec(command);
    if (definition !== null) {
      this.braces.push('function');
      this.push(`${definition[1] ?? definition[2]}() {`);
      command = definition[3]!;
    }
    const document = HERE_DOCUMENT.exec(command);
    if (document !== null && by === '\n')
      this.push(command.replace(HERE_DOCUMENT, ''), this.hereDocument(document[2]!));
    else if (command === '{') this.opens('group');
    else if (command === '}' || command.startsWith('} ')) {
      this.closes();
      // Where all that stood in the braces goes.
      this.push(command.slice(1).trim());
    } else if (command === 'fi' || command.startsWith('fi ')) this.branches.pop();
    else this.push(command.replace(/\s*\)$/, (closing) => (command.includes('(') ? closing : '')));
    this.startLine = this.line;
  }

  /** The brace of a function may stand on a line of its own. */
  private opens(what: 'group'): void {
    const last = this.statements.at(-1);
    if (this.braces.at(-1) !== 'function' || !last?.text.endsWith('() {')) this.braces.push(what);
  }

  private closes(): void {
    if (this.braces.pop() === 'function') this.push('}');
  }

  private branch(command: string): void {
    const word = /^(?:if|elif|else)\b/.exec(command)?.[0];
    if (word === 'if') this.branches.push('first');
    else if (word !== undefined) this.branches.splice(-1, 1, 'other');
  }

  private push(text: string, input?: string): void {
    if (text === '' || text === 'else') return;
    const more = {
      ...(input !== undefined && { input }),
      ...(this.branches.includes('other') && { isOtherwise: true }),
    };
    this.statements.push({ line: this.startLine, text, ...more });
  }

  /** The lines up to its last, which are no commands. */
  private hereDocument(last: string): string {
    const lines = this.source.slice(this.at + 1).split('\n');
    const end = lines.findIndex((line) => line.trim() === last);
    const taken = lines.slice(0, end < 0 ? lines.length : end + 1);
    this.at += taken.join('\n').length;
    this.line += taken.length - 1;
    return lines.slice(0, end < 0 ? lines.length : end).join('\n');
  }
}
