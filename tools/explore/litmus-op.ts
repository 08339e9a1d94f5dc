import { COMMAND_NAMES } from '../../uapi/dialect.js';
import * as mman from '../../uapi/mman.js';
import { hint } from '../nearest.js';

/** What a word of an op may be: a number, or one of these. */
type Word = 'number' | 'letters' | readonly string[];

const KINDS = ['anon', 'shared', 'filep', 'files', 'dev', 'hugetlb'];
const ADVICE = Object.keys(mman).flatMap((name) => /^MADV_(\w+)$/.exec(name)?.[1] ?? []);
const RANGE: readonly Word[] = ['number', 'number', 'number', 'number'];

/** The words behind each op's name; more may follow. */
const OPS: Readonly<Record<string, readonly Word[]>> = {
  open: ['number', 'number'],
  close: ['number', 'number'],
  map: [...RANGE, KINDS, 'letters'],
  mapover: [...RANGE, KINDS, 'letters'],
  unmap: RANGE,
  protect: [...RANGE, 'letters'],
  advise: [...RANGE, ADVICE],
  remap: [...RANGE, 'number', 'number', 'number'],
  store: [...RANGE, 'number'],
  load: RANGE,
  fork: ['number', 'number'],
  exit: ['number'],
  dm: ['number', 'number', COMMAND_NAMES, 'number', 'number', 'number'],
  pagemap: RANGE,
  gup: [...RANGE, 'number', 'number', 'number'],
  pin: [...RANGE, 'number'],
  unpin: ['number'],
  khugepaged: ['number'],
  uffd: [...RANGE, ['missing', 'minor', 'wp', 'wpasync']],
  wp: [...RANGE, ['0', '1']],
  ucontinue: RANGE,
  ucopy: [...RANGE, 'number'],
  umove: [...RANGE, 'number', 'number'],
  clearrefs: ['number'],
  dirty: RANGE,
  scan: RANGE,
  vmread: RANGE,
  raw: ['number', 'number', 'number', 'number', 'number', 'number'],
};

/** What is wrong with an op as it is written, or null. */
export function opError(op: string): string | null {
  const [name = '', ...words] = op.split(' ');
  const wanted = OPS[name];
  if (wanted === undefined) return `no op '${name}'${hint(name, Object.keys(OPS))}`;
  if (words.length < wanted.length) return `'${op}' has ${words.length} words behind ${name}, not ${wanted.length}`;
  for (const [i, kind] of wanted.entries()) {
    const word = words[i]!;
    if (typeof kind !== 'string') {
      if (!kind.includes(word)) return `'${op}': no '${word}'${hint(word, kind)}`;
    } else if (kind === 'number' ? !/^(0x[\da-f]+|\d+)$/i.test(word) : !/^(-|[rwx]+)$/.test(word))
      return `'${op}': '${word}' is no ${kind === 'number' ? 'number' : 'protection, as rw or -'}`;
  }
  return name === 'dm' && words[2] === 'WRITE' && words.length < 7 ? `'${op}' does not say what is written` : null;
}
