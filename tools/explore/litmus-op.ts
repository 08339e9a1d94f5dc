import { DEVICE_FILES, DEVICES } from '../../tests/conform/ops/places.js';
import { COMMAND_NAMES } from '../../uapi/dialect.js';
import * as mman from '../../uapi/mman.js';
import { hint } from '../nearest.js';

/** What a word of an op may be: a number, or one of these. */
type Word = 'number' | 'device' | 'letters' | readonly string[];

const KINDS = ['anon', 'shared', 'filep', 'files', 'dev', 'hugetlb'];
const ADVICE = Object.keys(mman).flatMap((name) => /^MADV_(\w+)$/.exec(name)?.[1] ?? []);
const RANGE: readonly Word[] = ['number', 'number', 'number', 'number'];

/** The words behind each op's name; more may follow. */
const OPS: Readonly<Record<string, readonly Word[]>> = {
  open: ['number', 'device'],
  close: ['number', 'device'],
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
  dm: ['number', 'device', COMMAND_NAMES, 'number', 'number', 'number'],
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
  raw: ['number', 'device', 'number', 'number', 'number', 'number'],
};

function noDevice(op: string, word: string): string {
  return `'${op}': there is no device file ${word}; 0 to ${DEVICES - 1} are the devices, ${DEVICES} to ${DEVICE_FILES - 1} second files of these`;
}

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
    } else if (kind === 'letters' ? !/^(-|[rwx]+)$/.test(word) : !/^(0x[\da-f]+|\d+)$/i.test(word))
      return `'${op}': '${word}' is no ${kind === 'letters' ? 'protection, as rw or -' : 'number'}`;
    if (kind === 'device' && Number(word) >= DEVICE_FILES) return noDevice(op, word);
  }
  const device = words[4] === 'dev' ? words[6] : undefined;
  if (device !== undefined && !(Number(device) < DEVICE_FILES)) return noDevice(op, device);
  return name === 'dm' && words[2] === 'WRITE' && words.length < 7 ? `'${op}' does not say what is written` : null;
}
