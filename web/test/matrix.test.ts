import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readColumns, textColumn, type ColumnsAnswer } from '../src/data/columns';
import { place, spread } from '../src/run/heat-figures';
import { ASKED, ClientMatrix, envelope, FAILED, NOT_SELECTED, TRAINED } from '../src/run/matrix';

const answer = (rows: [number, string, string | null, number | null][]): ColumnsAnswer => {
  const nodes = [...new Set(rows.map(([, node]) => node))];
  return {
    count: rows.length,
    total: rows.length,
    columns: {
      round: rows.map(([round]) => round),
      node: { dictionary: nodes, index: rows.map(([, node]) => nodes.indexOf(node)) },
      status: rows.map(([, , status]) => status),
      train_loss: rows.map(([, , , loss]) => loss),
    },
  };
};

const filled = () => {
  const matrix = new ClientMatrix(['a', 'b']);
  matrix.absorb(
    answer([
      [1, 'a', 'trained', 0.5],
      [1, 'b', 'failed', null],
      [3, 'b', 'trained', 2],
    ]),
    ['train_loss'],
  );
  return matrix;
};

test('cells know their status and figure; who was not asked has neither', () => {
  const matrix = filled();
  assert.equal(matrix.rounds, 3);
  assert.equal(matrix.status[matrix.cell(1, 0)], TRAINED);
  assert.equal(matrix.status[matrix.cell(1, 1)], FAILED);
  assert.equal(matrix.status[matrix.cell(2, 0)], NOT_SELECTED);
  assert.equal(matrix.figureAt('train_loss', 3, 1), 2);
  assert.equal(matrix.figureAt('train_loss', 1, 1), null);
});

test('later rounds and new nodes leave what was known in its place', () => {
  const matrix = filled();
  matrix.absorb(answer([[4, 'c', 'trained', 9]]), ['train_loss']);
  assert.deepEqual(matrix.nodes, ['a', 'b', 'c']);
  assert.equal(matrix.figureAt('train_loss', 1, 0), 0.5);
  assert.equal(matrix.figureAt('train_loss', 3, 1), 2);
  assert.equal(matrix.figureAt('train_loss', 4, 2), 9);
});

test('the envelope spans the clients of each round', () => {
  const matrix = filled();
  matrix.absorb(answer([[3, 'a', 'trained', 1]]), ['train_loss']);
  assert.deepEqual(envelope(matrix, 'train_loss', 1, 3), {
    low: [0.5, null, 1],
    high: [0.5, null, 2],
  });
  assert.equal(envelope(matrix, 'samples', 1, 3), null);
});

test('a figure lies between low and high, by its logarithm for times', () => {
  const span = { low: 1, high: 100 };
  assert.ok(Math.abs(place(10, span, true) - 0.5) < 1e-9);
  assert.equal(place(0, span, true), 0);
  assert.equal(place(1000, span, false), 1);
  assert.equal(place(5, { low: 5, high: 5 }, false), 0.5);
});

test('the spread leaves out what is unknown', () => {
  assert.equal(spread(new Float32Array([NaN, NaN])), null);
  assert.deepEqual(spread(new Float32Array([NaN, 4, 2])), { low: 2, high: 4 });
});

test('the spread of many cells looks at every node, not at every nth', () => {
  const [nodes, rounds] = [64, 16_384];
  const found = spread(Float32Array.from({ length: nodes * rounds }, (_, at) => at % nodes));
  assert.deepEqual(found, { low: 0, high: nodes - 1 });
});

test('a client of which only what was sent is known was selected all the same', () => {
  const matrix = new ClientMatrix(['a']);
  matrix.absorb(answer([[1, 'a', null, null]]), ['train_loss']);
  assert.equal(matrix.status[matrix.cell(1, 0)], ASKED);
});

test('columns read as rows, text with or without a dictionary', () => {
  const rows = readColumns<{ node: string; status: string }>(filledAnswer());
  assert.deepEqual(rows[1], { round: 1, node: 'b', status: 'failed', train_loss: null });
  assert.deepEqual(textColumn(filledAnswer(), 'status').dictionary, ['trained', 'failed']);
});

const filledAnswer = () =>
  answer([
    [1, 'a', 'trained', 0.5],
    [1, 'b', 'failed', null],
  ]);
