import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Round } from '../src/data/contract';
import {
  figureAt,
  median,
  mergeRounds,
  noRounds,
  payload,
  secondsLeft,
} from '../src/run/rounds';

const row = (round: number, more: Partial<Round> = {}): Round => ({
  round,
  started: null,
  seconds: 2,
  accuracy: round / 10,
  loss: null,
  train_loss: null,
  selected: null,
  participants: null,
  failures: null,
  samples: null,
  payload_down_bytes: 10,
  payload_up_bytes: null,
  ...more,
});

test('a round that was not recorded leaves nulls', () => {
  const table = mergeRounds(noRounds, [row(1), row(4)]);
  assert.deepEqual(table.round, [1, 2, 3, 4]);
  assert.deepEqual(table.figures.accuracy, [0.1, null, null, 0.4]);
});

test('new rows follow, replace and precede what was known', () => {
  const known = mergeRounds(noRounds, [row(2), row(3)]);
  const table = mergeRounds(known, [row(3, { accuracy: 0.9 }), row(4), row(0)]);
  assert.deepEqual(table.round, [0, 1, 2, 3, 4]);
  assert.deepEqual(table.figures.accuracy, [0, null, 0.2, 0.9, 0.4]);
  assert.deepEqual(known.figures.accuracy, [0.2, 0.3], 'the table before is untouched');
  assert.equal(figureAt(table, 'accuracy', 3), 0.9);
  assert.equal(figureAt(table, 'accuracy', 9), null);
});

test('a payload of which one way is unknown is unknown', () => {
  const table = mergeRounds(noRounds, [row(1), row(2, { payload_up_bytes: 5 })]);
  assert.deepEqual(payload(table), [null, 15]);
});

test('time left comes from measured rounds alone', () => {
  assert.equal(secondsLeft(noRounds, 20), null);
  assert.equal(secondsLeft(mergeRounds(noRounds, [row(1, { seconds: null })]), 20), null);
  const table = mergeRounds(noRounds, [row(1, { seconds: 100 }), row(2), row(3)]);
  assert.equal(secondsLeft(table, 10), 14);
  assert.equal(secondsLeft(table, null), null);
});

test('the median of an even count lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([]), null);
});
