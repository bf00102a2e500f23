import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaps, isolated, smooth } from '../src/chart/smooth';
import { digits, niceStep, ticks } from '../src/chart/ticks';

test('smoothing weighs what was before, and starts anew after a gap', () => {
  assert.deepEqual(smooth([1, 3, null, 10, 20], 0.5), [1, 2, null, 10, 15]);
  assert.deepEqual(smooth([1, 2], 0), [1, 2]);
});

test('gaps lie between known values only', () => {
  assert.deepEqual(gaps([null, 1, null, null, 2, 3, null]), [[1, 4]]);
});

test('a value without neighbours is isolated', () => {
  assert.deepEqual(isolated([1, null, 2, 3, null, 4]), [0, 5]);
  assert.deepEqual(isolated([7]), [0]);
});

test('steps are 1, 2 or 5 times a power of ten', () => {
  assert.deepEqual([0.3, 1, 1.2, 4, 6, 0.011].map(niceStep), [0.5, 1, 2, 5, 10, 0.02]);
});

test('ticks are multiples of the step within the range, never too many', () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(3, 3, 5), []);
  for (const end of [0.7, 3, 41, 999]) assert.ok(ticks(0, end, 4).length <= 5);
});

test('digits tell neighbouring ticks apart', () => {
  assert.deepEqual([100, 1, 0.5, 0.02].map(digits), [0, 0, 1, 2]);
});
