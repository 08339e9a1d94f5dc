/** `echo VALUE > PATH`, in whatever way it is written, with what both are when the script runs. */
export interface ShellWrite {
  readonly line: number;
  readonly text: string;
  readonly value: string;
  /** From the folder that the script is in by then. */
  readonly path: string;
}

/** What would have to run to know what it writes. */
export interface UnknownWrite {
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

interface Statement {
  readonly line: number;
  readonly text: string;
}

const WRITE =
  /^(?:sudo\s+)?(?:echo(?:\s+-[neE]+)*|printf(?:\s+["']?%[^\s"']+["']?)?)\s*(.*?)\s*(?:1?>>?\|?|\|\s*(?:sudo\s+)?tee(?:\s+-a)?\s)\s*(\S+)(?:\s*>\s*\/dev\/null)?$/;
const INNER = /^(?:sudo\s+)?(?:ba|da|)sh\s+-c\s+(["'])(.*)\1$/;
const ASSIGNMENT = /^(?:(?:export|local|readonly|declare)\s+)?([A-Za-z_]\w*)=(\S*|"[^"]*"|'[^']*')$/;
const LOOP = /^for\s+(\w+)\s+in\s+(.*)$/;
/** Words that stand before a command. */
const LEADING = /^(?:do|then|else|\{|\(|if|elif|while|until)\s+/;
/** Text that is about fault injection, so that it may not be passed over in silence. */
const ABOUT_FAULTS = /fault|fail|inject/i;

/** The writes of a shell script, in order; loops over words are unrolled, and functions count where they stand. */
export function shellWrites(source: string): { writes: ShellWrite[]; unknown: UnknownWrite[] } {
  const reader = new ShellReader();
  reader.run(statementsOf(source, 1));
  return reader;
}

class ShellReader {
  readonly writes: ShellWrite[] = [];
  readonly unknown: UnknownWrite[] = [];
  private readonly variables = new Map<string, string>();
  private folder = '';

  run(statements: readonly Statement[]): void {
    for (let i = 0; i < statements.length; i++) {
      const statement = statements[i]!;
      const loop = LOOP.exec(statement.text);
      if (loop === null) {
        this.one(statement);
        continue;
      }
      const end = doneOf(statements, i);
      this.loop(loop[1]!, this.expand(loop[2]!), statements.slice(i + 1, end));
      i = end;
    }
  }

  private loop(name: string, list: string, body: readonly Statement[]): void {
    const words = /[$*?`]/.test(list) ? [] : list.split(/\s+/).filter((word) => word !== '');
    this.variables.delete(name);
    if (words.length === 0) this.run(body);
    for (const word of words) {
      this.variables.set(name, word);
      this.run(body);
    }
  }

  private one({ line, text }: Statement): void {
    const assignment = ASSIGNMENT.exec(text);
    const inner = INNER.exec(text);
    const write = WRITE.exec(text);
    if (assignment !== null) this.variables.set(assignment[1]!, this.expand(assignment[2]!));
    else if (/^cd\s+\S/.test(text)) this.folder = this.expand(text.replace(/^cd\s+/, ''));
    else if (inner !== null) this.run(statementsOf(inner[2]!, line));
    else if (/^trap\s/.test(text)) return;
    else if (write !== null) this.write({ line, text }, this.expand(write[1]!), this.expand(write[2]!));
    else if (ABOUT_FAULTS.test(text) && !/^\w+\s*\(\)/.test(text))
      this.unknown.push({ line, text, why: 'not a write to a knob whose value is known before it runs' });
  }

  private write({ line, text }: Statement, value: string, name: string): void {
    const path = name.startsWith('/') || this.folder === '' ? name : `${this.folder}/${name}`;
    const open = /\$[{(]?[\w*@#!?]*[})]?|`/.exec(`${value} ${path}`);
    if (open === null) this.writes.push({ line, text, value, path });
    else if (ABOUT_FAULTS.test(`${text} ${path}`))
      this.unknown.push({ line, text, why: `'${open[0]}' has no value before it runs` });
  }

  /** Without quotes, and with the variables that have a value; single quotes keep what is in them. */
  private expand(word: string): string {
    return word.replace(/'([^']*)'|"|\$\{?(\w+)\}?/g, (all, quoted: string | undefined, name: string | undefined) => {
      if (quoted !== undefined) return quoted;
      return name === undefined ? '' : (this.variables.get(name) ?? all);
    });
  }
}

/** The index of the `done` that ends the loop which begins at `start`, or of the end of the script. */
function doneOf(statements: readonly Statement[], start: number): number {
  let depth = 1;
  for (let i = start + 1; i < statements.length; i++) {
    const { text } = statements[i]!;
    if (/^(?:for|while|until)\s/.test(text)) depth++;
    if (/^done\b/.test(text) && --depth === 0) return i;
  }
  return statements.length;
}

/** One command each, without comments and the words of the grammar around it. */
function statementsOf(source: string, firstLine: number): Statement[] {
  const statements: Statement[] = [];
  let line = firstLine;
  let startLine = firstLine;
  let text = '';
  let quote = '';
  const end = (): void => {
    let command = text.trim();
    while (LEADING.test(command) && !/^(?:while|until)\s/.test(command)) command = command.replace(LEADING, '');
    command = command.replace(/\s*[})]$/, (closing) => (/[{(]/.test(command) ? closing : ''));
    if (command !== '') statements.push({ line: startLine, text: command });
    text = '';
    startLine = line;
  };
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    const pair = source.slice(i, i + 2);
    if (char === '\n') line++;
    if (quote !== '') {
      if (char === quote) quote = '';
      text += char;
    } else if (pair === '\\\n') {
      line++;
      i++;
      text += ' ';
    } else if (char === '#' && /(^|\s)$/.test(text)) {
      while (i + 1 < source.length && source[i + 1] !== '\n') i++;
    } else if (char === '\n' || char === ';') end();
    else if (pair === '&&' || pair === '||') {
      i++;
      end();
    } else {
      if (char === '"' || char === "'") quote = char;
      if (text.trim() === '') startLine = line;
      text += char;
    }
  }
  end();
  return statements;
}
