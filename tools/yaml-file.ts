import { isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { inputBytes, UsageError } from './exit-code.js';

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

/** Makes an error about what stands at `keys` in a file. */
export type Wrong = (keys: readonly unknown[], message: string) => UsageError;

/** Of a file; `hint` is what its errors say in the end. Throws UsageError with the place of what is no YAML. */
export function readYamlFile(
  file: string,
  hint: string,
  versions?: readonly string[],
): { readonly value: unknown; readonly wrong: Wrong } {
  const { value, mistake, place } = readYaml(inputBytes(file, hint).toString('utf8'), versions);
  const at = ({ line, column }: Place, message: string): UsageError =>
    new UsageError(`${file}:${line}:${column}: ${message}`, hint);
  if (mistake !== null) throw at(mistake, mistake.message);
  return { value, wrong: (keys, message) => at(place(keys), message) };
}

/** `versions` are lists and values of names that look like numbers: `6.10` is not 6.1. */
export function readYaml(text: string, versions: readonly string[] = []): YamlFile {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const at = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { line, column: col };
  };
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || !versions.includes(String(key.value))) return;
      visit(value as Parameters<typeof visit>[0], {
        Scalar(_, scalar) {
          if (typeof scalar.value === 'number' && scalar.source !== undefined) scalar.value = scalar.source;
        },
      });
    },
  });
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
