import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnsAnswer } from '../src/data/columns';
import type { Event, Run } from '../src/data/contract';
import type { FlClient, FlStatus } from '../src/fl/contract';
import { gini, nodeFigures, sorted } from '../src/nodes/figures';
import { nowOf, online, silentSince, type Seen } from '../src/nodes/now';
import { isOut, refusals, since } from '../src/nodes/refusals';
import { ClientMatrix } from '../src/run/matrix';

/** Two rounds: a trained in both, b in one and failed in one, c was asked in none. */
function matrix(): ClientMatrix {
  const found = new ClientMatrix(['a', 'b', 'c']);
  const answer: ColumnsAnswer = {
    count: 4,
    total: 4,
    columns: {
      round: [1, 1, 2, 2],
      node: { dictionary: ['a', 'b'], index: [0, 1, 0, 1] },
      status: { dictionary: ['trained', 'failed'], index: [0, 0, 0, 1] },
      train_seconds: [1, 4, 2, null],
      train_loss: [0.9, 0.8, 0.5, null],
      samples: [30, 10, 30, null],
    },
  };
  found.absorb(answer, ['train_seconds', 'train_loss', 'samples']);
  return found;
}

test('a node is what its rounds say', () => {
  const [a, b, c] = nodeFigures(matrix());
  assert.deepEqual([a!.asked, a!.trained, a!.failed], [2, 2, 0]);
  assert.deepEqual([b!.asked, b!.trained, b!.failed], [2, 1, 1]);
  assert.deepEqual([a!.train, a!.loss, a!.samples], [1.5, 0.5, 30]);
  assert.deepEqual([b!.train, b!.loss, b!.lastTrained], [4, Math.fround(0.8), 1]);
  assert.deepEqual([c!.asked, c!.train, c!.loss, c!.dataShare], [0, null, null, null]);
});

test('shares are of what is known, and nothing is shared before anything is', () => {
  const [a, b] = nodeFigures(matrix());
  assert.deepEqual([a!.dataShare, b!.dataShare], [0.75, 0.25]);
  assert.deepEqual([a!.updateShare, b!.updateShare], [2 / 3, 1 / 3]);
  const [empty] = nodeFigures(new ClientMatrix(['a']));
  assert.deepEqual([empty!.dataShare, empty!.updateShare], [null, null]);
});

test('the Gini coefficient runs from even to one who has all', () => {
  assert.equal(gini([3, 3, 3]), 0);
  assert.equal(gini([0, 0, 0, 4]), 0.75);
  assert.equal(gini([0, 0]), null);
});

test('sorting puts the largest first and what is not known last', () => {
  const all = nodeFigures(matrix());
  assert.deepEqual(sorted(all, 'train').map(one => one.node), ['b', 'a', 'c']);
  assert.deepEqual(sorted(all, 'trouble').map(one => one.node), ['b', 'a', 'c']);
  assert.deepEqual(sorted(all, 'name').map(one => one.node), ['a', 'b', 'c']);
});

const live = { id: 'r-1', state: 'training', stalled: null, waiting: null } as Run;
const seen: Seen = {
  run: live,
  round: 2,
  status: null,
  client: undefined,
  silent: undefined,
  refused: undefined,
};

test('what a node does now comes from who knows best', () => {
  const [a, b] = nodeFigures(matrix());
  const training = { status: 'training', waiting_for: ['a'] } as FlStatus;
  assert.equal(nowOf(a!, { ...seen, status: training })!.text, 'training');
  assert.equal(nowOf(b!, { ...seen, status: training })!.text, 'idle');
  assert.equal(nowOf(b!, seen)!.text, 'failed in round 2');
  assert.equal(nowOf(a!, { ...seen, round: null }), null);
  const stalled = { ...live, stalled: { nodes: ['a'] } } as Run;
  assert.equal(nowOf(a!, { ...seen, run: stalled, status: training })!.tone, 'warn');
  assert.deepEqual(nowOf(a!, { ...seen, silent: 5 }), { text: 'silent', tone: 'bad' });
});

test('of an ended run nobody is online, and of a simulated one nobody says', () => {
  const client = { online: true } as FlClient;
  assert.equal(online({ ...seen, client }), true);
  assert.equal(online({ ...seen, client, silent: 5 }), false);
  assert.equal(online(seen), null);
  assert.equal(online({ ...seen, client, run: { ...live, state: 'finished' } }), null);
});

test('a node that returned is silent no more', () => {
  const told = (id: number, kind: string, node: string): Event =>
    ({ id, kind, node, time: '2026-11-22T09:52:00Z' }) as Event;
  const found = silentSince([
    told(3, 'NODE_RETURNED', 'a'),
    told(1, 'NODE_SILENT', 'a'),
    told(2, 'NODE_SILENT', 'b'),
    told(4, 'NODE_REFUSED', 'c'),
  ]);
  assert.deepEqual([...found.keys()], ['b', 'c']);
});

test('a refusal lasts as long as it is the same, and keeps a node out while it lasts', () => {
  const told = (id: number, round: number, action: string, message: string): Event =>
    ({ id, round, node: 'a', kind: 'CLIENT_REFUSED', details: { action, message } }) as unknown as Event;
  const first = refusals(new Map(), [
    told(2, 5, 'shareModel', 'too large'),
    told(3, 6, 'train', 'trust'),
    told(1, 4, 'shareModel', 'too large'),
  ]);
  assert.equal(since(first.get('a')!), 'refused in round 6');
  const later = refusals(first, [told(4, 7, 'train', 'trust'), told(5, 8, 'train', 'trust')]);
  assert.deepEqual(later.get('a'), { action: 'train', message: 'trust', first: 6, last: 8 });
  assert.equal(since(later.get('a')!), 'refused in rounds 6 to 8');
  assert.equal(isOut(later.get('a'), 8), true);
  assert.equal(isOut(later.get('a'), 9), false);
  assert.equal(isOut(undefined, null), false);
  const [a] = nodeFigures(matrix());
  assert.equal(nowOf(a!, { ...seen, refused: later.get('a') })!.text, 'refused by policy');
  const share = refusals(new Map(), [told(1, 2, 'shareModel', 'too large')]).get('a')!;
  assert.equal(since(share), 'update refused in round 2');
  assert.equal(nowOf(a!, { ...seen, refused: share })!.text, 'trained in round 2');
});
