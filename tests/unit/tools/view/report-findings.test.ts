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
