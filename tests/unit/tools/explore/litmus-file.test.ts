import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { recordingInput } from '../../../../tools/conform/recording-input.js';
import { isLitmusFile, readLitmusFile } from '../../../../tools/explore/litmus-file.js';
import { canonicalAnswer, knownWords, outcomeText, withoutLastRead } from '../../../../tools/explore/litmus-outcome.js';

function written(name: string, text: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-litmus-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function read(name: string, text: string) {
  return readLitmusFile(written(name, text));
}

const YAML = `
setup:
  - { do: open }
  - { do: map, name: buf, pages: 2 }
  - { do: store, on: buf, value: 16 }
threads:
  - [{ do: migrate_to_dev, on: buf }]
  - ['unmap 0 0 0 2', { do: write, on: buf, pages: 1, value: 64 }]
observe: [{ do: load, on: buf, pages: 0-1 }]
forbid: ['* => 0 1 7']
`;

describe('a litmus file', () => {
  it('takes the steps of plans and ops alike', () => {
    const [test] = read('mine.yaml', YAML);
    expect(test).toMatchObject({
      name: 'mine',
      setup: ['open 0 0', 'map 0 0 0 2 anon rw', 'store 0 0 0 2 16'],
      threads: [['dm 0 0 MIGRATE_TO_DEV 0 0 2'], ['unmap 0 0 0 2', 'dm 0 0 WRITE 0 1 1 64']],
      observe: ['load 0 0 0 2'],
      conditions: { forbid: ['* => 0 1 7'], require: [], allow: [] },
    });
  });

  it.each([
    ['an unknown key', 'thread: []\n', /:1:1: no key 'thread' here \(did you mean 'threads'\?\)/],
    ['an unknown op', "threads: [['lod 0 0 0 1']]\n", /:1:12: no op 'lod' \(did you mean 'load'\?\)/],
    [
      'an unknown command',
      "threads: [['dm 0 0 MIGRATE_TO_DEF 0 0 1']]\n",
      /no 'MIGRATE_TO_DEF' \(did you mean 'MIGRATE_TO_DEV'/,
    ],
    ['an unknown step', 'threads: [[{ do: lod, on: buf }]]\n', /'lod' is not known here \(did you mean 'load'\?\)/],
    ['a step that plans alone have', 'threads: [[{ do: together, steps: [] }]]\n', /:1:28: no key 'steps' here/],
    [
      'what a step expects',
      'threads: [[{ do: unpin, expect: { ret: 5 } }]]\n',
      /:1:25: no key 'expect' here: what must/,
    ],
    [
      'what means nothing for a step',
      'threads: [[{ do: unpin, value: 5 }]]\n',
      /:1:25: 'value' means nothing for unpin/,
    ],
    ['an unknown advice', "threads: [['advise 0 0 0 1 DONTNED']]\n", /no 'DONTNED' \(did you mean 'DONTNEED'\?\)/],
    [
      'the second op of a list',
      "threads:\n  - - 'load 0 0 0 1'\n    - 'lod 0 0 0 1'\n",
      /:3:7: no op 'lod' \(did you mean 'load'\?\)/,
    ],
    [
      'a process that no op makes',
      "threads: [['load 0 0 0 1'], ['load 3 0 0 1']]\n",
      /:1:29: 'load 3 0 0 1' names process 3, which no op makes \('fork 0 3' makes it\)/,
    ],
    [
      'what another thread makes',
      "threads: [['open 0 0'], ['close 0 0']]\n",
      /:1:25: threads\[1\] uses device 0, which 'open 0 0' of threads\[0\] makes: .* \(make device 0 in the set-up\)/,
    ],
    ['what is no number', "threads: [['load 0 0 x 1']]\n", /'x' is no number/],
    ['what is no device', "threads: [['open 0 8']]\n", /:1:12: 'open 0 8': D is 8, and there are 0 to 7/],
    ['what maps none', "threads: [['map 0 0 0 1 dev rw 9']]\n", /D is 9, and there are 0 to 7/],
    ['a name of nothing', 'threads: [[{ do: load, on: buf }]]\n', /:1:12: no mapping is named 'buf'; there is none/],
    ['a path', 'machine: { path: posted-lat }\n', /:1:18: no path 'posted-lat' \(did you mean 'posted-late'\?\)/],
    [
      'a property of a path',
      'machine: { path: unified+undosOnError }\n',
      /:1:18: no property of a path 'undosOnError' \(did you mean 'undoesOnError'\?\)/,
    ],
    ['a name that moves the cursor', 'name: "a\\e[2Jb"\nthreads: []\n', /:1:7: text of .* no control character/],
    [
      'nothing that is allowed',
      "threads: [['load 0 0 0 1']]\nallow: []\n",
      /:2:8: at least one outcome is wanted here/,
    ],
    [
      'pages from last to first',
      'threads: [[{ do: load, on: buf, pages: 3-1 }]]\n',
      /:1:40: pages end before they begin/,
    ],
    [
      'a value below 0',
      'threads: [[{ do: store, on: buf, value: -5 }]]\n',
      /:1:41: a whole number from 0 to 4294967295 is/,
    ],
    [
      'a value that no word has',
      "threads: [['store 0 0 0 1 4294967296']]\n",
      /V is 4294967296, and there are 0 to 4294967295/,
    ],
    ['such a value of WRITE', "threads: [['dm 0 0 WRITE 0 0 1 -5']]\n", /'-5' is no number from 0 to 4294967295/],
    [
      'what the machine of a plan has and that of a test has not',
      'machine: { profile: 7.3, ram_mib: 1 }\n',
      /:1:26: no key 'ram_mib' here: a litmus test says path and profile, and no more/,
    ],
    ['no YAML', 'threads: [\n', /:2:1: /],
  ])('names the place of %s', (_what, text, message) => {
    expect(() => read('bad.yaml', text)).toThrow(message);
  });

  it.each(['posted-v1', 'posted-late', 'posted-late+undoesOnError'])('can be of the path %s', (path) => {
    const [test] = read('mine.yaml', `machine: { path: ${path} }\nthreads: [['load 0 0 0 1']]\n`);
    expect(test?.path).toBe(path);
  });

  it('names the line of what is no test', () => {
    expect(() => read('bad.jsonl', '{"name": "a"}\n')).toThrow(/bad.jsonl:1: /);
    expect(() => read('bad.jsonl', '{\n')).toThrow(/bad.jsonl:1: not JSON/);
    const line = { name: 'a', setup: [], threads: [['load 0 0 0 1']], observe: [], forbid: ['*'] };
    expect(read('good.jsonl', JSON.stringify(line))[0]!.conditions.forbid).toEqual(['*']);
    const wrong = (more: object) => () => read('bad.jsonl', `\n${JSON.stringify({ ...line, ...more })}`);
    expect(wrong({ forbidd: [] })).toThrow(/bad.jsonl:2: no key 'forbidd' here \(did you mean 'forbid'/);
    expect(wrong({ bogus: 1 })).toThrow(/bad.jsonl:2: no key 'bogus' here/);
    expect(wrong({ iterations: 'a' })).toThrow(/bad.jsonl:2: 'iterations': a list is wanted here/);
    expect(wrong({ setup: [1] })).toThrow(/bad.jsonl:2: 'setup.0': text is wanted here/);
    expect(wrong({ observe: ['load 3 0 0 1'] })).toThrow(/bad.jsonl:2: 'load 3 0 0 1' names process 3/);
  });
});

describe('a file of lines, of tests or of sequences', () => {
  const test = '{"name": "a", "setup": [], "threads": [["load 0 0 0 1"]], "observe": []}\n';
  const sequence = '{"seq": "a-1", "steps": [["open 0 0", "0"]]}\n';

  it.each([
    ['says nothing of a path', 'x.jsonl', (line: string) => line, undefined],
    ['tells it by its name', 'late-x.jsonl', (line: string) => line, 'posted-late'],
    ['tells it first', 'late-x.jsonl', (line: string) => `{"path": "posted-v1"}\n${line}`, 'posted-v1'],
    [
      'tells properties',
      'x.jsonl',
      (line: string) => `\n{"path":"posted-v1+clearsDst"}\n${line}`,
      'posted-v1+clearsDst',
    ],
    ['is packed', 'v1-x.jsonl.gz', (line: string) => gzipSync(line), 'posted-v1'],
    ['is packed under a plain name', 'x.jsonl', (line: string) => gzipSync(`{"path":"unified"}\n${line}`), 'unified'],
    ['begins with a mark', 'x.jsonl', (line: string) => `\ufeff{"path":"unified"}\r\n${line}`, 'unified'],
  ])('%s', (_, name, text, path) => {
    const [tests, sequences] = [written(name, text(test)), written(name, text(sequence))];
    expect([isLitmusFile(tests), isLitmusFile(sequences)]).toEqual([true, false]);
    expect(readLitmusFile(tests).map((one) => [one.name, one.path])).toEqual([['a', path]]);
    expect(recordingInput(sequences)).toMatchObject({ sequences: [{ seq: 'a-1' }], path: path ?? null });
  });

  it.each([
    ['{"path": "posted-lat"}', /x\.jsonl:1: no path 'posted-lat'; they are classic, /],
    ['{"path": "posted-v1+clears"}', /x\.jsonl:1: no property of a path 'clears'; they are /],
    ['{"path": "unified"}\n{', /x\.jsonl:2: not JSON/],
    ['{"path": "unified"}', /x\.jsonl: it is empty/],
  ])('%s is refused', (text, message) => {
    const file = written('x.jsonl', text);
    expect(() => readLitmusFile(file)).toThrow(message);
    expect(() => recordingInput(file)).toThrow(message);
  });
});

describe('an outcome', () => {
  const known = knownWords(['store 0 0 0 2 0x10', 'dm 0 0 WRITE 0 0 1 0x40']);

  it('has words without zeros in front, and a question mark for those that no op has stored', () => {
    expect([...known]).toEqual(['0', '10', '11', '40']);
    expect(canonicalAnswer('load 0 0 0 3', '0 3 00000010 00000012 00000000', known)).toBe('0 3 10 ? 0');
    expect(canonicalAnswer('dm 0 0 READ 0 0 1', '0 1 2 00000040', known)).toBe('0 1 2 40');
    expect(canonicalAnswer('dm 0 0 SNAPSHOT 0 0 2', '0 2 0 0022', known)).toBe('0 2 0 0022');
  });

  it('joins answers, threads and what was observed', () => {
    expect(outcomeText([['0', '1'], ['2']], ['3', '4'])).toBe('0; 1 | 2 => 3; 4');
    expect(withoutLastRead('0 | 0 => 0 1 0; 0 2 0 10 11')).toBe('0 | 0 => 0 1 0; 0 2 0');
  });
});
