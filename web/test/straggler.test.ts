import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../src/data/contract';
import { judge, longCause, ownSeconds, shortCause } from '../src/run/straggler';

const client = (node: string, train: number | null, more: Partial<Client> = {}): Client => ({
  round: 1,
  node,
  status: 'trained',
  reason: null,
  train_seconds: train,
  cpu_seconds: null,
  queued_seconds: null,
  samples: null,
  train_loss: null,
  train_accuracy: null,
  payload_down_bytes: null,
  payload_up_bytes: null,
  download_seconds: null,
  upload_seconds: null,
  peak_memory_bytes: null,
  ...more,
});

const steady = [client('a', 1), client('b', 1.1), client('c', 0.9), client('d', 1.05)];

test('a client beyond median + 3 MAD is a straggler, with its phase and factor', () => {
  const found = judge([...steady, client('slow', 4.2)]);
  assert.deepEqual([...found.causes.keys()], ['slow']);
  assert.equal(shortCause(found.causes.get('slow')!), 'train 4.0×');
});

test('median and threshold are those of a hand-worked example', () => {
  const found = judge([1, 2, 3, 4, 100].map((time, at) => client(`c${at}`, time)));
  assert.equal(found.median, 3);
  assert.equal(found.threshold, 3 + 3 * 1);
  assert.deepEqual([...found.causes.keys()], ['c4']);
});

test('waiting in the queue of a simulation never makes a straggler', () => {
  const queued = steady.map((one, at) => ({ ...one, queued_seconds: 1000 * at }));
  assert.equal(judge(queued).causes.size, 0);
});

test('the phase that is furthest above its own median is named', () => {
  const replies = steady.map(one => ({ ...one, upload_seconds: 0.5 }));
  const found = judge([...replies, client('far', 1, { upload_seconds: 5 })]);
  assert.equal(found.causes.get('far')?.phase, 'upload');
  assert.equal(found.causes.get('far')?.factor, 10);
});

test('more samples are named only where they help to explain a long training', () => {
  const replies = steady.map(one => ({ ...one, samples: 100 }));
  const many = judge([...replies, client('big', 4.2, { samples: 300 })]);
  assert.match(longCause(many.causes.get('big')!), /train took 4\.0× the median, with 3\.0×/);
  const same = judge([...replies, client('slow', 4.2, { samples: 100 })]);
  assert.equal(same.causes.get('slow')!.samples, null);
});

test('a client that was kept from the processor is said to have been', () => {
  const replies = steady.map(one => ({ ...one, cpu_seconds: one.train_seconds }));
  const starved = judge([...replies, client('slow', 4.2, { cpu_seconds: 1.05 })]);
  assert.equal(shortCause(starved.causes.get('slow')!), 'train 4.0×, CPU 25 % of it');
  const busy = judge([...replies, client('slow', 4.2, { cpu_seconds: 4.1 })]);
  assert.equal(busy.causes.get('slow')!.processor, null);
});

test('fewer than four replies are not judged, and silent clients are no replies', () => {
  const three = [client('a', 1), client('b', 1), client('c', 9)];
  assert.equal(judge(three).threshold, null);
  const silent = client('d', null, { status: 'no_reply' });
  assert.equal(judge([...three, silent]).threshold, null);
});

test('own time is the sum of what was measured, and unknown where nothing was', () => {
  assert.equal(ownSeconds(client('a', 2, { upload_seconds: 3, queued_seconds: 50 })), 5);
  assert.equal(ownSeconds(client('a', null)), null);
});
