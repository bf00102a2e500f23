import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barsOf } from '../src/policy/chain';
import type { Change, Decision, Proven, TrustCurve } from '../src/policy/contract';
import { countedRefusals } from '../src/policy/counted';
import { tabHref } from '../src/policy/links';
import { heightOf, inSight, pace, topsOf } from '../src/policy/sight';
import { highlighted, trustLines } from '../src/policy/trust-lines';
import { askedFor, reasonsOf, shortHash, valueText, verdictOf, whoOf } from '../src/policy/words';

const decision = (given: Partial<Decision>): Decision => ({
  decision_id: 1,
  timestamp: '2026-11-26T12:00:00Z',
  action: 'train',
  principal: 'Client::a',
  client_id: 'a',
  allowed: false,
  observed: false,
  reason: 'its trust is low',
  because: [{ id: 'low', reason: 'its trust is low', effect: 'forbid' }],
  errors: [],
  obligations: [],
  policy_version: 'v',
  inputs: '0',
  run: null,
  round: null,
  request: { principal: { type: 'Client', id: 'a' } },
  ...given,
});

test('every rule speaks, then what could not be judged', () => {
  assert.deepEqual(reasonsOf(decision({ errors: ['samples is missing'] })), [
    { rule: 'low', text: 'its trust is low', bad: true },
    { rule: null, text: 'samples is missing', bad: true },
  ]);
  const nobody = decision({ because: [], reason: 'no rule permits it' });
  assert.deepEqual(reasonsOf(nobody), [{ rule: null, text: 'no rule permits it', bad: true }]);
  const untold = decision({ because: [{ id: 'low', reason: '', effect: 'forbid' }] });
  assert.equal(reasonsOf(untold).at(-1)!.text, 'its trust is low');
});

test('verdicts and names', () => {
  assert.equal(verdictOf(decision({ allowed: true, observed: true })), 'observed');
  assert.equal(verdictOf(decision({ allowed: true })), 'allowed');
  assert.equal(whoOf(decision({ client_id: null, principal: 'Server::server' })), 'Server server');
});

test('values are read as they were told', () => {
  assert.equal(valueText(0.30000000000000004), '0.3');
  assert.equal(valueText({ $int: '9007199254740993' }), '9007199254740993');
  assert.equal(valueText([]), 'none');
  assert.equal(valueText(-0.31), '−0.31');
  assert.equal(valueText(100), '100');
  assert.equal(valueText(null), '—');
});

test('filters become what the service is asked', () => {
  const asked = askedFor({ verdict: 'denied', client: 'a', time: '1h', text: ' x ' }, 3_600_000);
  assert.deepEqual(asked, {
    allowed: 'false',
    action: null,
    client: 'a',
    rule: null,
    run: null,
    text: 'x',
    since: '1970-01-01T00:00:00.000Z',
  });
  assert.equal(tabHref('decisions', { client: 'a b' }), '#/policy?client=a+b');
  assert.equal(tabHref('trust'), '#/policy?tab=trust');
});

test('rows in sight are found by halving', () => {
  const tops = topsOf(Array.from({ length: 10_000 }, () => 50));
  assert.deepEqual(inSight(tops, 0, 600, 2), [0, 15]);
  assert.deepEqual(inSight(tops, 250_000, 600, 2), [4998, 5015]);
  assert.deepEqual(inSight(tops, 499_900, 600, 2), [9996, 10_000]);
  assert.deepEqual(inSight(topsOf([]), 0, 600, 2), [0, 0]);
  assert.ok(heightOf(2, true) > heightOf(2, false));
});

test('a pace is told only where enough is known', () => {
  const now = 600_000;
  assert.equal(pace([590_000, 580_000], now, 5, false), null);
  assert.equal(pace([590_000, 580_000], now, 5, true), 0.4);
  assert.equal(pace([590_000, 580_000, 100], now, 5, false), 0.4);
});

const proven = (given: Partial<Proven>): Proven => ({
  time: '',
  seconds: 0,
  ok: true,
  records: 0,
  first: 1,
  last: 100,
  signed: 99,
  anchored: null,
  seq: null,
  what: null,
  anchors: 'none',
  anchors_why: null,
  ...given,
});

test('bars of the chain', () => {
  const of = (verified: Proven | null, records = 100) => barsOf({ records, first: 1, verified }, 10);
  assert.deepEqual(of(null), Array(10).fill('unproven'));
  assert.deepEqual(of(proven({})), [...Array(9).fill('proven'), 'newest']);
  assert.deepEqual(of(proven({ last: 95 })).slice(-2), ['proven', 'unproven']);
  const broken = of(proven({ ok: false, seq: 41 }));
  assert.deepEqual(broken, [...Array(4).fill('proven'), 'broken', ...Array(5).fill('lost')]);
  assert.equal(of(proven({ last: 3 }), 3).length, 3);
  assert.deepEqual(of(null, 0), []);
});

const change = (round: number, after: number, weight = 1): Change => ({
  time: round * 1e9,
  cause: 'answered',
  before: 0.5,
  after,
  weight,
  run: 'r-1',
  round,
  note: '',
});
const curve = (client: string, ...changes: Change[]): TrustCurve => ({ client, score: 0.5, changes });

test('trust over the rounds in which anybody changed', () => {
  const lines = trustLines([curve('a', change(1, 0.6), change(3, 0.7)), curve('b', change(2, 0.4, -1))]);
  assert.deepEqual(lines.moments.map(({ round }) => round), [1, 2, 3]);
  assert.deepEqual(lines.lines.get('a'), [0.6, 0.6, 0.7]);
  assert.deepEqual(lines.lines.get('b'), [null, 0.4, 0.4]);
  assert.equal(lines.changes.get('b')!.get(1)!.length, 1);
});

test('coloured are the picked one and those that fell', () => {
  const clients = [curve('a', change(1, 0.6)), curve('b', change(2, 0.4, -1)), curve('c', change(2, 0.3, -1))];
  assert.deepEqual(highlighted(clients, null, 4), ['c', 'b']);
  assert.deepEqual(highlighted(clients, 'a', 2), ['a', 'c']);
  assert.deepEqual(highlighted([curve('a', change(1, 0.6))], 'nobody', 2), ['a']);
});

test('counters of runs become rows', () => {
  const labels = { run: 'r-1', node: 'a', action: 'train', rule: 'low' };
  const rows = countedRefusals([
    { name: 'x', labels, times: [1, 2], values: [1, 3] },
    { name: 'x', labels: { ...labels, node: 'b' }, times: [1], values: [null] },
    { name: 'x', labels: {}, times: [1], values: [9] },
  ]);
  assert.deepEqual(rows, [{ run: 'r-1', node: 'a', action: 'train', rule: 'low', count: 3 }]);
});

test('a hash is known by its ends', () => {
  assert.equal(shortHash('9f2c71d0aaaaaaaaaaaa5be4'), '9f2c 71d0 … 5be4');
});
