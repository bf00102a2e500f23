import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axesOf, fitting, placeOn, within } from '../src/compare/axes';
import { aligned, alone, pointsOf, runningTotal, valueBefore } from '../src/compare/curves';
import { bestOf, OUTCOMES, settingRows } from '../src/compare/settings';
import type { Round, Run } from '../src/data/contract';
import { mergeRounds, noRounds } from '../src/run/rounds';

const START = '2026-01-01T00:00:00Z';

const run = (id: string, config: Record<string, unknown>, figures: Partial<Run> = {}): Run =>
  ({ id, task: 'mnist', strategy: 'fedavg', engine: 'simulation', started: START, config, nodes: [], rounds: null, model_parameters: null, accuracy: null, best_accuracy: null, loss: null, seconds: null, round: null, payload_down_bytes: null, payload_up_bytes: null, failures: 0, ...figures }) as Run;

const round = (number: number, figures: Partial<Round>): Round =>
  ({ round: number, started: null, seconds: null, accuracy: null, loss: null, train_loss: null, selected: null, participants: null, failures: null, samples: null, payload_down_bytes: null, payload_up_bytes: null, ...figures }) as Round;

test('bytes add up until one is unknown', () => {
  assert.deepEqual(runningTotal([1, 2, null, 4]), [1, 3, null, null]);
});

test('curves share one axis, a hole breaks a line, a place of another run does not', () => {
  const one = { x: [1, 2, 3], y: [0.1, null, 0.3] };
  const other = { x: [2, 4], y: [0.5, 0.6] };
  assert.deepEqual(aligned([one, other]), {
    x: [1, 2, 3, 4],
    lines: [
      [0.1, null, 0.3, undefined],
      [undefined, 0.5, undefined, 0.6],
    ],
  });
});

test('by wall time a round stands at its end, and one that was not timed nowhere', () => {
  const table = mergeRounds(noRounds, [
    round(1, { started: '2026-01-01T00:00:02Z', seconds: 3, accuracy: 0.2 }),
    round(2, { accuracy: 0.3 }),
  ]);
  assert.deepEqual(pointsOf(run('a', {}), table, 'accuracy', 'time'), { x: [5], y: [0.2] });
  assert.deepEqual(pointsOf(run('a', {}), table, 'accuracy', 'round'), { x: [1, 2], y: [0.2, 0.3] });
});

test('the value at a place is the last one known before it', () => {
  const points = { x: [1, 2, 4], y: [0.1, null, 0.4] };
  assert.equal(valueBefore(points, 0.5), null);
  assert.equal(valueBefore(points, 3), 0.1);
  assert.equal(valueBefore(points, 9), 0.4);
});

test('settings that differ are told apart from those that do not', () => {
  const rows = settingRows([run('a', { lr: 0.1, seed: 1 }), run('b', { lr: 0.2, seed: 1, mu: null })]);
  const differs = Object.fromEntries(rows.map(row => [row.name, row.differs]));
  assert.deepEqual(differs, { task: false, strategy: false, engine: false, lr: true, seed: false });
});

test('settings are those of the command line: nested ones apart, in whatever order, and what the run adds', () => {
  const [a, b] = [{ opt: { lr: 0.1, mu: 0 }, nodes: 9 }, { opt: { mu: 0, lr: 0.2 } }];
  const rows = settingRows([run('a', a), run('b', b, { nodes: ['x', 'y'], rounds: 5 })]);
  const told = Object.fromEntries(rows.map(row => [row.name, row.values]));
  assert.deepEqual(told['opt.lr'], ['0.1', '0.2']);
  assert.deepEqual(rows.filter(row => row.differs).map(row => row.name), ['nodes', 'rounds', 'opt.lr']);
  assert.deepEqual([told.nodes, told.rounds], [['9', '2'], [null, '5']]);
});

test('a small figure does not read as 0', () => {
  const [loss, time] = ['loss', 'wall time a round'].map(name => OUTCOMES.find(one => one.name === name)!);
  assert.deepEqual([0.00042, 0, 1.23456].map(loss!.format), ['0.00042', '0.000', '1.235']);
  assert.deepEqual([-0.00042, 0.25].map(loss!.change), ['−0.00042', '+0.250']);
  assert.equal(time!.format(0.00012), '0.00012');
});

test('a point that no line reaches is drawn by itself', () => {
  assert.deepEqual(alone([0.5]), [0]);
  assert.deepEqual(alone([undefined, 0.1, undefined, 0.2]), []);
  assert.deepEqual(alone([0.1, undefined, null, 0.2, undefined, null]), [0, 3]);
  assert.deepEqual(alone([null, undefined, 0.1, undefined]), [2]);
});

test('the best is the highest or the lowest, and none where all are the same', () => {
  assert.deepEqual(bestOf([0.1, null, 0.3], 'more'), [2]);
  assert.deepEqual(bestOf([0.1, null, 0.3], 'less'), [0]);
  assert.deepEqual(bestOf([0.3, 0.1, 0.3], 'more'), [0, 2]);
  assert.deepEqual(bestOf([0.3, 0.3], 'more'), []);
  assert.deepEqual(bestOf([0.3], 'more'), []);
  assert.deepEqual(bestOf([1, 2], undefined), []);
});

test('an axis stands for what differs, and a run without the figure has no place on it', () => {
  const runs = [run('a', { lr: 0.1, seed: 1 }, { loss: 2 }), run('b', { lr: 0.3, seed: 1 }), run('c', { lr: 0.2, seed: 1 }, { loss: 1 })];
  const axes = axesOf(runs);
  assert.deepEqual(axes.map(axis => axis.key), ['lr', 'outcome loss']);
  assert.equal(placeOn(axes[1]!, 0), 1);
  assert.equal(placeOn(axes[1]!, 1), null);
});

test('where there is little room, settings and outcomes share it', () => {
  const runs = [1, 2].map(at => run(`r-${at}`, { a: at, b: at, c: at }, { accuracy: at, loss: at, seconds: at, round: 1 }));
  const keys = (most: number) => fitting(axesOf(runs), most).map(({ key }) => key.replace('outcome ', ''));
  assert.deepEqual(keys(9), ['a', 'b', 'c', 'wall time a round', 'loss', 'accuracy']);
  assert.deepEqual(keys(4), ['a', 'b', 'loss', 'accuracy']);
  assert.deepEqual(keys(3), ['a', 'loss', 'accuracy']);
});

test('a brush keeps what lies within it, and nothing that is unknown', () => {
  const runs = [run('a', { lr: 0 }, { loss: 2 }), run('b', { lr: 1 }), run('c', { lr: 0.5 }, { loss: 1 })];
  const axes = axesOf(runs);
  assert.deepEqual(within(axes, new Map(), 3), [true, true, true]);
  assert.deepEqual(within(axes, new Map([['lr', [0, 0.5]]]), 3), [true, false, true]);
  assert.deepEqual(within(axes, new Map([['outcome loss', [0, 1]]]), 3), [true, false, true]);
});
