import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changed, formatHash, parseHash, parseRange, wholeNumber } from '../src/route';

test('a hash and its route say the same', () => {
  const hash = '#/run/r-3fa9c01b?metric=cpu_seconds&round=12';
  const route = parseHash(hash);
  assert.deepEqual(route, {
    page: 'run',
    run: 'r-3fa9c01b',
    query: { metric: 'cpu_seconds', round: '12' },
  });
  assert.equal(formatHash(route), hash);
});

test('a run id with odd characters survives', () => {
  const hash = formatHash({ page: 'run', run: 'a/b?c #ü', query: {} });
  assert.equal(parseHash(hash).run, 'a/b?c #ü');
});

test('nothing is the list of runs, and what is broken is read as it stands', () => {
  assert.equal(parseHash('').page, 'runs');
  assert.equal(parseHash('#/run/%E0%A4%A').run, '%E0%A4%A');
});

test('null and empty texts take a key away', () => {
  const route = parseHash('#/runs?q=a&group=task');
  assert.equal(formatHash(changed(route, { q: '', group: null, state: 'live' })), '#/runs?state=live');
});

test('ranges and whole numbers are read strictly', () => {
  assert.deepEqual(parseRange('3-10'), [3, 10]);
  for (const bad of ['10-3', '3', 'a-b', '3-3', '', undefined]) assert.equal(parseRange(bad), null);
  assert.equal(wholeNumber('12'), 12);
  for (const bad of ['-1', '1.5', '1e3', 'x', undefined]) assert.equal(wholeNumber(bad), null);
});
