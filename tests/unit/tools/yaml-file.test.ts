import { expect, it } from 'vitest';
import { readYaml } from '../../../tools/yaml-file.js';

function nested(depth: number): string {
  return Array.from({ length: depth }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
}
/** Each alias of the one before, ten times. */
function doubled(depth: number): string {
  return Array.from(
    { length: depth },
    (_, i) => `a${i}: &a${i} [${Array(10).fill(i === 0 ? '1' : `*a${i - 1}`)}]\n`,
  ).join('');
}
function chained(depth: number): string {
  return Array.from({ length: depth }, (_, i) => `a${i}: &a${i} [${i === 0 ? '' : `*a${i - 1}`}]\n`).join('');
}

it.each([
  ['a: *x\n', "1:4 no '&x' ends before this '*x'"],
  ['a: &x\n  b: *x\n', "2:6 no '&x' ends before this '*x'"],
  ['a: &x 1\nb: &x [*x]\n', "2:8 no '&x' ends before this '*x'"],
  [doubled(7), '6:46 with its aliases this has more than 1000000 values'],
  [chained(103), '101:13 nested more than 100 deep'],
  [nested(3000), '100:100 nested more than 100 deep'],
  ['['.repeat(200_000), '1:100 nested more than 100 deep'],
  ['a: 1\n---\nb: 2\n', '2:1 a second document begins; a file has one'],
  ['%YAML 1.1\n---\na: yes\n', '1:1 this file is read as YAML 1.2, not 1.1'],
  ['a:\n\tb: 1\n', '2:1 Tabs are not allowed as indentation'],
  ['a: 1\r\na: 2\r\n', '2:1 this key stands here twice'],
  ['a: { [b]: 1 }\n', '1:6 a key is plain text, no list, map or alias'],
  ['a: 1\nb: { __proto__: { c: 1 } }\n', "2:6 no key can be called '__proto__'"],
  ['a: !!js/function x\n', '1:4 Unresolved tag: tag:yaml.org,2002:js/function'],
  ['a: 1\nb: x\0\n', '2:5 character 0x00 can\'t stand in YAML; "\\x00" in quotes means it'],
  [Buffer.from('a: 1\nb: ä\n', 'latin1'), '2:4 byte 0xe4 is no UTF-8, which this file is in'],
  [Buffer.from('\ufeffa: 1\n', 'utf16le'), '1:1 byte 0xff is no UTF-8, which this file is in'],
])('mistake %# has its place', (text, said) => {
  const { mistakes, value } = readYaml(Buffer.from(text as string));
  expect(mistakes.map(({ line, column, message }) => `${line}:${column} ${message}`)[0]).toBe(said);
  expect(value).toBeUndefined();
});

it.each([
  ['\ufeffa: 1\r\nb: "\\x00"\r\n', { a: 1, b: '\0' }],
  ['a: &x { b: 1 }\nc: [*x, *x]\n', { a: { b: 1 }, c: [{ b: 1 }, { b: 1 }] }],
  [`a: &x 1\nb: [${Array(500).fill('*x')}]\n`, { a: 1, b: Array(500).fill(1) }],
  ['a: [1e3, 0x10, 0o10, 010, 2001-01-01]\n', { a: [1000, 16, 8, 10, '2001-01-01'] }],
  ['dialects: [6.10, 7.0]\nprofile: 6.10\nruns: 6.10\n', { dialects: ['6.10', '7.0'], profile: '6.10', runs: 6.1 }],
  ['', null],
])('text %# is what it says', (text, value) => {
  const found = readYaml(Buffer.from(text));
  expect(found.mistakes).toEqual([]);
  expect(found.value).toEqual(value);
});
