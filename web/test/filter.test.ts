import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from '../src/data/contract';
import { filtered, grouped, matches } from '../src/runs/filter';

const run = (id: string, state: Run['state'], task = 'mnist') =>
  ({ id, state, task, strategy: 'fedavg', config: { alpha: 0.5 }, reason: null, engine: null }) as unknown as Run;

const runs = [run('r-4', 'finished'), run('r-3', 'training'), run('r-2', 'failed', 'digits'), run('r-1', 'silent')];
const ids = (found: Run[]) => found.map(one => one.id);

test('every word of a search must be found in names, state or settings', () => {
  assert.ok(matches(runs[0]!, 'MNIST alpha=0.5'));
  assert.ok(!matches(runs[0]!, 'mnist alpha=0.9'));
  assert.ok(matches(runs[0]!, ''));
});

test('live runs are those that train or fell silent', () => {
  assert.deepEqual(ids(filtered(runs, '', 'live')), ['r-3', 'r-1']);
  assert.deepEqual(ids(filtered(runs, '', 'ended')), ['r-4', 'r-2']);
  assert.deepEqual(ids(filtered(runs, '', 'failed')), ['r-2']);
  assert.deepEqual(ids(filtered(runs, 'digits', 'all')), ['r-2']);
});

test('a run of which no event says anything is neither live nor ended', () => {
  const odd = [run('r-6', 'unknown'), ...runs];
  assert.deepEqual(ids(filtered(odd, '', 'ended')), ['r-4', 'r-2']);
  assert.deepEqual(ids(filtered(odd, '', 'live')), ['r-3', 'r-1']);
  const heads = grouped(odd, 'state').filter(item => 'group' in item);
  assert.deepEqual(heads, [
    { group: 'Live', size: 2 },
    { group: 'State unknown', size: 1 },
    { group: 'Ended', size: 2 },
  ]);
});

const lines = (grouping: 'state' | 'task' | 'none') =>
  grouped(runs, grouping).map(item => ('run' in item ? `${item.at} ${item.run.id}` : item.group));

test('groups stand behind their headings, live runs first', () => {
  assert.deepEqual(lines('state'), ['Live', '0 r-3', '1 r-1', 'Ended', '2 r-4', '3 r-2']);
  assert.deepEqual(lines('task'), ['mnist', '0 r-4', '1 r-3', '2 r-1', 'digits', '3 r-2']);
  assert.deepEqual(lines('none'), ['0 r-4', '1 r-3', '2 r-2', '3 r-1']);
});
