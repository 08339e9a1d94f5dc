import { expect, it } from 'vitest';
import { reportLines } from '../../../../tools/view/report-findings.js';

const TOKEN = 'dm2:race:mig-unmap~dJA:classic:::5-ECDAEA';

it('finds each token of a report once, with what is said beside it', () => {
  const json = JSON.stringify({
    test: 'mig-unmap',
    outcomes: [{ outcome: '0 2', token: TOKEN }],
    problems: [{ what: 'x', token: TOKEN }],
  });
  expect(reportLines(`${json}\n`)).toEqual([{ name: 'mig-unmap', text: 'comes to 0 2', run: TOKEN }]);
  expect(reportLines(`a race, see \`${TOKEN}\`\n`).map(({ run }) => run)).toEqual([TOKEN]);
});

it('finds sequences that differ, and on which path', () => {
  const line = {
    seq: 'mix-17',
    file: 'a.jsonl',
    op: 'r',
    actual: '1',
    expected: '2',
    status: 'fail',
    rerun: 'x --path unified --trace',
  };
  expect(reportLines(JSON.stringify(line))).toEqual([
    { name: 'mix-17', text: 'r: 1, recorded 2', run: { file: 'a.jsonl', seq: 'mix-17', path: 'unified' } },
  ]);
  expect(reportLines('{"seq":"a","status":"pass","file":"b"}')).toEqual([]);
});

it('takes from a text what stands before a token, and the name that is in it', () => {
  const text = [
    '1. [leak-folio_lock]',
    '   A folio stays locked for ever: the call',
    '   returns.',
    '   Cause: none',
    `     dmirror explore replay ${TOKEN}`,
  ];
  expect(reportLines(text.join('\n'))).toEqual([
    { name: 'mig-unmap', text: 'leak-folio_lock: A folio stays locked for ever: the call returns.', run: TOKEN },
  ]);
  const ktap = `# books: wrong\n# code path: a < b\n# replay: npx --no-install dmirror fault replay ${TOKEN}\n`;
  expect(reportLines(ktap)).toEqual([{ name: 'mig-unmap', text: 'books: wrong', run: TOKEN }]);
  expect(reportLines(`# -2 0 0\n#   15 schedules, ${TOKEN}\n`)).toEqual([
    { name: 'mig-unmap', text: '-2 0 0; 15 schedules', run: TOKEN },
  ]);
});

it('takes from the text of a replay the op that differs, and where the sequence stands', () => {
  const text =
    '--- mix-17 op 8\n  ! r 0 1\n  rerun: npx --no-install dmirror conform a.jsonl --seq mix-17 --path unified --trace';
  expect(reportLines(text)).toEqual([
    { name: 'mix-17', text: 'r 0 1', run: { file: 'a.jsonl', seq: 'mix-17', path: 'unified' } },
  ]);
});
