import { dialectByName, dialectIds } from '../../uapi/dialect.js';
import { historyText, nameText, numberStories, storiesJson } from '../abi/history.js';
import { EXIT, UsageError } from '../exit-code.js';
import { goesOnWith, type Output } from '../output.js';

/** `dmirror abi name VALUE`. 1 when no dialect knows the number. */
export function abiName(text: string, { dialect }: { dialect?: string | undefined }, output: Output): number {
  const value = readValue(text);
  if (dialect !== undefined && !dialectByName(dialect)) throw noDialect(dialect);
  const lines = nameText(value, dialect === undefined ? dialectIds() : [dialect]);
  for (const line of lines) output.out(line);
  if (lines.length === 0) output.err(`no dialect asked for knows ${text}: the driver answers -EINVAL`);
  return lines.length === 0 ? EXIT.fail : EXIT.pass;
}

function readValue(text: string): number {
  const value = Number(text);
  if (!/^(0x[\da-f]+|-?\d+)$/i.test(text) || value > 0xffffffff || value < -0x80000000) {
    throw new UsageError(`'${text}' is no ioctl number`, 'give it as 0xc0284804 or in decimal');
  }
  return value >>> 0;
}

function noDialect(name: string): UsageError {
  return new UsageError(
    `there is no dialect '${name}'`,
    `dialects: ${dialectIds().join(', ')}, or a kernel version such as 6.12`,
  );
}

/** `dmirror abi history [VALUE]`. */
export function abiHistory(text: string | undefined, { json }: { json: boolean }, output: Output): number {
  const value = text === undefined ? undefined : readValue(text);
  const stories = numberStories().filter((story) => value === undefined || story.value === value);
  if (stories.length === 0)
    throw new UsageError(`no known numbering ever used ${text}`, '`dmirror abi history` shows the numbers that were');
  for (const line of json ? storiesJson(stories) : historyText(stories)) output.out(line);
  return EXIT.pass;
}

export interface MatrixOptions {
  readonly html?: string | undefined;
  readonly json: boolean;
  /** What makes the status 1: kinds of cells with commas between, any, or none. */
  readonly failOn?: string | undefined;
}

const MATRIX_FAILURES = ['silent', 'refused', 'not modelled'];

/** Which cells make the matrix fail; by default none, as it shows what is known. */
function failingCells(list: string | undefined): readonly string[] {
  if (list === undefined || list === 'none') return [];
  if (list === 'any') return MATRIX_FAILURES;
  const names = list.split(',').map((name) => name.replaceAll('-', ' '));
  const wrong = names.find((name) => !MATRIX_FAILURES.includes(name));
  if (wrong === undefined) return names;
  const known = MATRIX_FAILURES.map((name) => name.replaceAll(' ', '-')).join(', ');
  throw new UsageError(`--fail-on: there is no kind of cell '${wrong}'`, `kinds: ${known}, or any, or none`);
}

/** `dmirror abi matrix [DIALECT...]`. */
export async function abiMatrix(ids: readonly string[], options: MatrixOptions, output: Output): Promise<number> {
  const failing = failingCells(options.failOn);
  const unknown = ids.find((id) => !dialectByName(id));
  if (unknown !== undefined) throw noDialect(unknown);
  const page = options.html === undefined ? null : output.file('--html', options.html);
  const [{ runMatrix }, { matrixText, matrixJson }] = await Promise.all([
    import('../abi/matrix/matrix-run.js'),
    import('../abi/matrix/matrix-text.js'),
  ]);
  const chosen = ids.length > 0 ? ids.map((id) => dialectByName(id)!.id) : dialectIds();
  const matrix = await runMatrix(chosen, goesOnWith(output));
  if (page !== null) {
    const { matrixHtml } = await import('../abi/matrix/matrix-html.js');
    page.write(matrixHtml(matrix));
    output.err(`wrote ${options.html}`);
  } else for (const line of options.json ? matrixJson(matrix) : matrixText(matrix)) output.out(line);
  if (output.stop.isRequested) output.out(options.json ? '{"type":"interrupted"}' : '# interrupted');
  const found = matrix.cells.flat().filter(({ status }) => failing.includes(status));
  if (found.length > 0) output.err(`${found.length} cells are ${failing.join(' or ')}`);
  return found.length > 0 ? EXIT.fail : EXIT.pass;
}
