import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, Span } from '../src/data/contract';
import { bytes, count, duration, fixed, seconds, signed, three } from '../src/format';
import { backOff, paced, type Clock } from '../src/data/pace';
import { sentence } from '../src/run/sentence';
import { waterfall } from '../src/run/waterfall-rows';

test('figures have the digits that a reader can use', () => {
  assert.deepEqual([0.0014, 0.14, 1.62, 38.84, 245].map(seconds), [
    '1.40 ms',
    '140 ms',
    '1.62 s',
    '38.8 s',
    '4 min 05 s',
  ]);
  assert.deepEqual([12, 228_000, 7_520_000].map(bytes), ['12 B', '228 kB', '7.52 MB']);
  assert.equal(count(1234567), '1\u2009234\u2009567');
  assert.equal(fixed(1)(-2.55).codePointAt(0), 0x2212);
  assert.equal(signed(1)(-2), '−2.0');
  assert.equal(duration(12_000), '3 h 20 min');
  assert.equal(three(0), '0.00');
});

const client = (node: string, train: number, status: Client['status'] = 'trained') =>
  ({ node, status, reason: null, train_seconds: train, queued_seconds: null }) as Client;
const span = (node: string, phase: Span['phase'], offset: number, time: number): Span => ({
  round: 1,
  node,
  phase,
  start: '',
  offset_seconds: offset,
  seconds: time,
  ok: true,
});

const quick = ['a', 'b', 'c', 'd'];

test('a round opens with how long, who it waited for, and why', () => {
  const clients = [...quick.map((node, at) => client(node, 1 + at / 100)), client('slow', 5)];
  const spans = clients.map(one => span(one.node, 'train', 0, one.train_seconds!));
  const said = sentence(5.2, waterfall(clients, spans));
  assert.equal(
    said.text,
    'Took 5.20 s. 3.97 s of it was waiting for 1 straggler, last slow: train took 4.9× the median.',
  );
  assert.ok(said.warns);
});

test('the last in the queue of a simulation is not blamed', () => {
  const clients = quick.map(node => client(node, 1));
  const spans = quick.flatMap((node, at) => [
    span(node, 'queued', 0, at),
    span(node, 'train', at, 1),
  ]);
  const { text, warns } = sentence(4, waterfall(clients, spans));
  assert.match(text, /last reply came from d, which waited 3\.00 s for its turn/);
  assert.ok(!warns);
});

test('a round that nobody answered says so', () => {
  const said = sentence(null, waterfall([client('a', 1, 'no_reply')], []));
  assert.equal(said.text, 'How long it took was not recorded. No client replied.');
});

test('rows are by finish, latest first, and silent clients keep theirs', () => {
  const clients = [client('a', 1), client('gone', 0, 'no_reply'), client('b', 2)];
  const spans = [span('a', 'train', 0, 1), span('b', 'train', 0, 2)];
  assert.deepEqual(
    waterfall(clients, spans).rows.map(row => row.node),
    ['b', 'a', 'gone'],
  );
});

test('many changes make little work, and the last one is never lost', async () => {
  let time = 0;
  const later: { at: number; then: () => void }[] = [];
  const clock: Clock = {
    now: () => time,
    later: (wait, then) => void later.push({ at: time + wait, then }),
  };
  const starts: number[] = [];
  const change = paced(async () => void starts.push(time), 250, clock);
  for (; time < 1000; time += 10) {
    change();
    for (const due of later.splice(0)) if (due.at <= time) due.then(); else later.push(due);
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.deepEqual(starts, [0, 250, 500, 750]);
  assert.equal(later.length, 1, 'the changes since are planned');
});

test('a lost connection is tried again soon, then more rarely', () => {
  assert.deepEqual([0, 1, 2, 3, 9].map(backOff), [0.5, 1, 2, 4, 10]);
});
