/** One result of a KTAP document, with the results nested under it. */
export interface KtapNode {
  readonly ok: boolean;
  readonly name: string;
  /** The reason, when skipped. */
  readonly skip?: string;
  /** Diagnostic lines between the previous result and this one, without their `# `. */
  readonly diagnostics: readonly string[];
  readonly children: readonly KtapNode[];
}

interface Line {
  readonly depth: number;
  readonly text: string;
  readonly number: number;
}

/**
 * Reads KTAP version 1 and accepts nothing that Documentation/dev-tools/ktap.rst does not promise: a version line and a
 * plan open each level, numbers count up without gaps and meet the plan, nesting is two spaces a level, a group's verdict
 * agrees with its members, names are unique within a level, and no other line occurs.
 */
export function parseKtap(text: string): KtapNode[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const lines = text
    .slice(0, -1)
    .split('\n')
    .map((line, i) => toLine(line, i + 1));
  const parser = new Parser(lines);
  const nodes = parser.level(0);
  parser.expectEnd();
  return nodes;
}

/** Every leaf with its path of names. */
export function leaves(nodes: readonly KtapNode[], above: readonly string[] = []): { path: string; node: KtapNode }[] {
  return nodes.flatMap((node) =>
    node.children.length === 0
      ? [{ path: [...above, node.name].join(' > '), node }]
      : leaves(node.children, [...above, node.name]),
  );
}

function toLine(line: string, number: number): Line {
  const indent = /^ */.exec(line)![0].length;
  if (indent % 2 !== 0) throw new Error(`line ${number}: ${indent} spaces are no level`);
  return { depth: indent / 2, text: line.slice(indent), number };
}

class Parser {
  private at = 0;

  constructor(private readonly lines: readonly Line[]) {}

  level(depth: number): KtapNode[] {
    this.take(depth, /^KTAP version 1$/, 'a version line');
    let diagnostics = this.diagnostics(depth);
    const plan = Number(this.take(depth, /^1\.\.(\d+)$/, 'a plan')[1]);
    const nodes: KtapNode[] = [];
    for (let number = 1; number <= plan; number++) {
      diagnostics = [...diagnostics, ...this.diagnostics(depth)];
      const children = this.peek()?.depth === depth + 1 ? this.level(depth + 1) : [];
      diagnostics = [...diagnostics, ...this.diagnostics(depth)];
      nodes.push(this.result(depth, { number, diagnostics, children }));
      diagnostics = [];
    }
    this.diagnostics(depth);
    if (new Set(nodes.map(({ name }) => name)).size !== nodes.length) throw new Error('two results share a name');
    return nodes;
  }

  expectEnd(): void {
    const line = this.peek();
    if (line) throw new Error(`line ${line.number}: text after the plan is met: ${line.text}`);
  }

  private result(depth: number, known: { number: number; diagnostics: string[]; children: KtapNode[] }): KtapNode {
    const pattern = /^(ok|not ok) (\d+) ((?:[^#\\]|\\.)+?)(?: # SKIP (.+))?$/;
    const [, verdict, number, name, skip] = this.take(depth, pattern, 'a result');
    if (Number(number) !== known.number) throw new Error(`result ${number} where ${known.number} is due`);
    const ok = verdict === 'ok';
    const { diagnostics, children } = known;
    if (children.length > 0 && ok !== children.every((child) => child.ok)) {
      throw new Error(`'${name}' does not agree with its members`);
    }
    return { ok, name: name!, diagnostics, children, ...(skip === undefined ? {} : { skip }) };
  }

  private diagnostics(depth: number): string[] {
    const found: string[] = [];
    for (let line = this.peek(); line?.depth === depth && line.text.startsWith('#'); line = this.peek()) {
      found.push(line.text.replace(/^# ?/, ''));
      this.at++;
    }
    return found;
  }

  private take(depth: number, pattern: RegExp, what: string): RegExpExecArray {
    const line = this.peek();
    const match = line?.depth === depth ? pattern.exec(line.text) : null;
    if (!match)
      throw new Error(`line ${line?.number ?? 'past the end'}: expected ${what} at level ${depth}: ${line?.text}`);
    this.at++;
    return match;
  }

  private peek(): Line | undefined {
    return this.lines[this.at];
  }
}
