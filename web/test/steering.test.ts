import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from '../src/data/contract';
import { NO_LOGIN, offers, type Known } from '../src/fl/actions';
import type { FlStatus, Session } from '../src/fl/contract';
import { moment } from '../src/fl/moment';
import { listed } from '../src/format';
import { differences } from '../src/models/store';

const run = { id: 'r-1', state: 'training', round: 12, waiting: null } as Run;
const ended = { ...run, state: 'finished' } as Run;
const may: Session = { may_write: true, until: null, command: '' };
const training = {
  status: 'training',
  run: 'r-1',
  current_round: 13,
  training_active: true,
  training_paused: false,
  waiting_for: ['a', 'b'],
  message: 'training on 10 nodes',
  deadline: '2026-11-22T09:53:00Z',
} as FlStatus;

const actions = (of: Run, known: Partial<Known>) =>
  offers(of, { status: training, error: null, session: may, ...known });
const names = (of: Run, known: Partial<Known>) => actions(of, known).map(({ action }) => action);

test('what is offered follows what the server says', () => {
  assert.deepEqual(names(run, {}), ['pause', 'restart', 'stop']);
  const paused = { ...training, training_paused: true };
  assert.deepEqual(names(run, { status: paused }), ['resume', 'restart', 'stop']);
  const over = { ...training, training_active: false };
  assert.deepEqual(names(ended, { status: over }), ['restart', 'start']);
  assert.ok(actions(run, {}).every(({ why }) => why === null));
});

test('a run that the server does not have cannot be steered, and is told why', () => {
  const other = { ...run, id: 'r-2' };
  const [pause] = actions(other, {});
  assert.match(pause!.why!, /does not drive this run: it has r-1\. .*Ctrl-C/);
  const idle = { ...training, run: null, training_active: false } as FlStatus;
  assert.match(actions(other, { status: idle })[0]!.why!, /does not drive this run\. /);
  assert.deepEqual(names({ ...ended, id: 'r-2' }, { status: idle }), ['start']);
  assert.deepEqual(names({ ...ended, id: 'r-2' }, {}), []);
});

test('without the server or a login the reason is that', () => {
  const away = 'no FL server answers at http://x';
  assert.equal(actions(run, { status: null, error: away })[0]!.why, away);
  assert.equal(actions(run, { session: { ...may, may_write: false } })[0]!.why, NO_LOGIN);
  assert.deepEqual(names(ended, { status: null, error: away }), []);
});

const NOW = Date.parse('2026-11-22T09:52:00Z');

test('the moment says what the round waits for and how long at the most', () => {
  assert.equal(
    moment(run, training, NOW),
    'Round 13: training on 10 nodes, waits for a and b, at most 60 s more',
  );
  const few = { ...training, message: '10 nodes', deadline: null };
  assert.equal(moment(run, few, NOW), 'Round 13: training, 10 nodes, waits for a and b');
  const late = moment(run, training, NOW + 90_000);
  assert.equal(late, 'Round 13: training on 10 nodes, waits for a and b');
});

test('without the server the events say what a run waits for', () => {
  const waiting = {
    since: '2026-11-22T09:51:00Z',
    round: null,
    message: 'waiting for at least 3 nodes, 2 are there',
    waiting_for: [],
    deadline_seconds: 600,
  };
  const text = 'waiting for at least 3 nodes, 2 are there, at most 9 min 00 s more';
  assert.equal(moment({ ...run, waiting }, null, NOW), text);
  assert.equal(moment({ ...ended, waiting }, null, NOW), null);
  assert.equal(moment({ ...run, id: 'r-2' }, training, NOW), null);
});

test('what was said of a round that is over is not said', () => {
  assert.equal(moment({ ...run, round: 13 }, training, NOW), null);
});

test('a node that the message names is not named again', () => {
  const status = { ...training, message: 'waiting for a and 1 more', status: 'waiting', deadline: null };
  assert.equal(moment(run, status, NOW), 'Round 13: waiting for a and 1 more, waits for b');
});

test('names are listed as people do, and not without end', () => {
  assert.equal(listed(['a']), 'a');
  assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
  assert.equal(listed(['a', 'b', 'c', 'd', 'e', 'f'], 4), 'a, b, c, d and 2 more');
});

test('settings that differ between two runs are named', () => {
  const of = (config: object, task = 'mnist') => ({ task, engine: 'x', strategy: 'y', config }) as Run;
  assert.deepEqual(differences(of({ lr: 0.1, seed: 1 }), of({ lr: 0.2, seed: 1 }, 'digits')), [
    ['task', '"mnist"', '"digits"'],
    ['lr', '0.1', '0.2'],
  ]);
  assert.deepEqual(differences(undefined, of({})), []);
});
