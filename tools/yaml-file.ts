import { LineCounter, parseDocument } from 'yaml';

/** A place in a file, from 1. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** A YAML document: its value, what of it is no YAML, and where things stand. */
export interface YamlFile {
  readonly value: unknown;
  /** The first mistake; of a tag that nobody knows YAML only warns. */
  readonly mistake: (Place & { readonly message: string }) | null;
  /** Where the innermost thing on this way stands that is there. */
  place(keys: readonly unknown[]): Place;
}

export function readYaml(text: string): YamlFile {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const at = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { line, column: col };
  };
  const [wrong] = [...document.errors, ...document.warnings];
  return {
    value: wrong === undefined ? document.toJS() : undefined,
    mistake: wrong === undefined ? null : { ...at(wrong.pos[0]), message: wrong.message },
    place(keys) {
      for (let depth = keys.length; depth > 0; depth--) {
        const node = document.getIn(keys.slice(0, depth), true) as { range?: [number] } | undefined;
        if (node?.range) return at(node.range[0]);
      }
      return at(0);
    },
  };
}
