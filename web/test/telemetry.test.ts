import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricForecast, Samples } from '../src/telemetry/contract';
import { joules, lately, machinesOf, meters, perPoint, sends, together, wholly, type Meter } from '../src/telemetry/energy';
import { fanOf } from '../src/telemetry/fan-data';
import { method, methods } from '../src/telemetry/method';
import { ahead, energy, metricName, withUnit } from '../src/telemetry/words';

/** A counter that rises by so many joules every 3 s. */
const counter = (each: number, count = 10, from = 0): Meter => ({
  node: 'n',
  kind: 'rows',
  modelled: false,
  times: Array.from({ length: count }, (_, at) => from + 3 * at),
  values: Array.from({ length: count }, (_, at) => each * 1e6 * at),
});

const near = (found: number | null, wanted: number) =>
  assert.ok(found !== null && Math.abs(found - wanted) < 1e-6, `${found} is not ${wanted}`);

test('a counter is read between its samples', () => {
  near(joules(counter(30), 3, 9), 60);
  near(joules(counter(30), 4.5, 6), 15);
  near(joules(counter(30), 0, 27), 270);
});

test('nothing is known beyond the samples, over a far gap, or across a reset', () => {
  assert.equal(joules(counter(30), -1, 9), null);
  assert.equal(joules(counter(30), 9, 28), null);
  const far = { ...counter(30), times: [0, 3, 6, 100, 103, 106, 109, 112, 115, 118] };
  assert.equal(joules(far, 3, 50), null);
  // A counter says what was used in a gap that lies within.
  near(joules(far, 3, 103), 90);
  const reset = { ...counter(30), values: [0, 30e6, 60e6, 10e6, 40e6, 70e6, 1e8, 1.3e8, 1.6e8, 1.9e8] };
  assert.equal(joules(reset, 3, 15), null);
  near(joules(reset, 12, 15), 30);
});

test('means of minutes count for the part that a span has of them', () => {
  const minutes: Meter = { node: 'n', kind: 'minutes', modelled: true, times: [0, 60, 120], values: [1e7, 2e7, 3e7] };
  near(joules(minutes, 0, 180), 600 + 1200 + 1800);
  near(joules(minutes, 50, 70), 100 + 200);
  assert.equal(joules(minutes, 150, 200), null);
  assert.equal(joules({ ...minutes, times: [0, 120, 180] }, 0, 180), null);
});

test('rows count where they come, else minutes; what is modelled says so', () => {
  const series = (node: string, source: string) => ({
    name: 'x',
    labels: { node, value_source: source },
    times: [0, 3e9],
    values: [0, 3e7],
  });
  const rows: Samples = { series: [series('b', 'rapl')] };
  const minutes: Samples = { series: [series('a', 'model_cpu_load'), series('b', 'rapl')] };
  const found = meters(rows, minutes);
  assert.deepEqual(found.map(({ node, kind, modelled }) => [node, kind, modelled]), [
    ['a', 'minutes', true],
    ['b', 'rows', false],
  ]);
});

test('a round is the sum of the machines that were metered through it', () => {
  assert.deepEqual(together([counter(30), counter(60), counter(9, 2)], 0, 9), { joules: 270, metered: 2 });
  assert.deepEqual(together([], 0, 9), { joules: null, metered: 0 });
});

test('nodes of the run by name, else all machines', () => {
  const all = [{ ...counter(1), node: 'a' }, { ...counter(1), node: 'b' }];
  assert.deepEqual(machinesOf(all, ['b', 'c']).machines.map(({ node }) => node), ['b']);
  const { machines, named } = machinesOf(all, ['client-0']);
  assert.deepEqual([machines.length, named], [2, false]);
});

test('a point of accuracy costs what the rounds after the first one used', () => {
  near(perPoint([10, 20, 30], [0.5, 0.55, 0.6]), 5);
  assert.equal(perPoint([10, null, 30], [0.5, 0.55, 0.6]), null);
  assert.equal(perPoint([10, 20], [0.6, 0.6]), null);
  assert.equal(perPoint([10, 20], [null, null]), null);
});

test('the last hour is what a meter covers of it', () => {
  assert.deepEqual(lately(counter(30), 3600), { joules: 270, seconds: 27 });
  near(lately(counter(30), 12)!.joules, 120);
  assert.equal(lately(counter(30, 1), 3600), null);
});

test('what arrives tells what a node sends on', () => {
  assert.equal(sends(counter(30), 30), 'rows');
  assert.equal(sends(counter(30), 5000), null);
  assert.equal(sends(undefined, 30), null);
});

const forecast: MetricForecast = {
  metric: 'power_consumption',
  unit: 'W',
  times: ['1970-01-01T00:01:03Z', '1970-01-01T00:01:06Z'],
  quantiles: { '0.1': [1, 2], '0.5': [3, 4], '0.9': [5, 6] },
  observed: { times: ['1970-01-01T00:00:54Z', '1970-01-01T00:00:57Z', '1970-01-01T00:01:00Z'], values: [7, null, 8] },
  calibration: { target: 0.8, coverage: null, scored: 0 },
  model_shares: null,
  level_rows: 30,
};

test('a meter that ended gives way to what came later', () => {
  const series = (times: number[], source: string) => ({
    name: 'x',
    labels: { node: 'n', value_source: source },
    times: times.map(time => time * 1e9),
    values: times.map(() => 1e6),
  });
  const ended = { series: [series([0, 3], 'rapl')] };
  const [now] = meters(ended, { series: [series([0, 60, 120], 'model')] });
  assert.deepEqual([now!.kind, now!.modelled], ['minutes', true]);
  const [changed] = meters({ series: [series([60, 63], 'model'), series([0, 3], 'rapl')] }, { series: [] });
  assert.equal(changed!.modelled, true);
});

test('a round that fewer machines metered than others is not known', () => {
  const rounds = [{ joules: 30, metered: 2 }, { joules: 10, metered: 1 }, { joules: null, metered: 0 }];
  assert.deepEqual(wholly(rounds), [30, null, null]);
  assert.deepEqual(wholly([{ joules: null, metered: 0 }]), [null]);
});

test('the fan begins where the line ends', () => {
  const { x, observed, median, low, high } = fanOf(forecast, 1);
  assert.deepEqual(x, [54, 57, 60, 63]);
  assert.deepEqual(observed, [7, null, 8, null]);
  assert.deepEqual([median, low, high], [[null, null, 8, 3], [null, null, 8, 1], [null, null, 8, 5]]);
});

test('figures read as people write them', () => {
  assert.deepEqual([0.5, 1500, 2e6].map(energy), ['0.500 J', '1.50 kJ', '2.00 MJ']);
  assert.deepEqual([30, 150, 300, 7200].map(ahead), ['30 s', '2.5 min', '5 min', '2 h']);
  assert.equal(metricName('ram_usage'), 'Memory');
  assert.equal(withUnit(12.34, 'W'), '12.3 W');
  assert.equal(withUnit(1.5, 'load'), '1.50');
});

test('what foresees is said for a step: model, mixture or baseline', () => {
  const of = (model_shares: MetricForecast['model_shares'], level_rows = 30) =>
    ({ model_shares, level_rows }) as MetricForecast;
  const shares = { 1: 1, 6: 0.6, 26: 0 };
  assert.equal(method(of(null), 100), 'model');
  assert.equal(method(of(shares), 5), 'model');
  assert.equal(method(of(shares), 25), 'mixture: 60 % model, median of 30');
  assert.equal(method(of(shares), 26), 'baseline: median of 30');
  assert.equal(method(of(shares, 1), 100), 'baseline: last value');
  assert.equal(methods(of({ 1: 1, 6: 0 }), 3), 'from 3 s on: model\nfrom 18 s on: baseline: median of 30');
});
