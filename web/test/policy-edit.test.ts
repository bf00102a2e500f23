import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedLines, compared, difference, type Line } from '../src/policy/diff';
import type { PolicySet } from '../src/policy/edit-contract';
import { begun, edited, onto, restored } from '../src/policy/draft';
import { wordAt, words } from '../src/policy/paint';

const text = (all: string[]) => all.map(line => `${line}\n`).join('');
const marks = (lines: Line[]) =>
  lines.map(({ before, after, text }) => `${before === null ? '+' : after === null ? '-' : ' '}${text}`);

test('a difference has every line of both texts once, in order', () => {
  assert.deepEqual(marks(compared(text(['a', 'b', 'c']), text(['a', 'x', 'c', 'd']))), [' a', '-b', '+x', ' c', '+d']);
  assert.deepEqual(marks(compared('', text(['a']))), ['+a']);
  assert.deepEqual(marks(compared(text(['a']), '')), ['-a']);
  assert.deepEqual(compared('', ''), []);
});

test('for random texts both sides can be read out of the difference', () => {
  let seed = 7;
  const next = (most: number) => (seed = (seed * 48271) % 2147483647) % most;
  for (let round = 0; round < 300; round++) {
    const side = () => Array.from({ length: next(12) }, () => 'abc'[next(3)]!);
    const [before, after] = [side(), side()];
    const lines = compared(text(before), text(after));
    assert.deepEqual(lines.filter(line => line.before !== null).map(line => line.text), before);
    assert.deepEqual(lines.filter(line => line.after !== null).map(line => line.text), after);
    assert.deepEqual(lines.filter(line => line.before !== null).map(line => line.before), before.map((_, at) => at + 1));
  }
});

test('texts that have nothing in common are told as wholly other', () => {
  const many = (name: string) => text(Array.from({ length: 3000 }, (_, at) => `${name}${at}`));
  const found = compared(many('a'), many('b'));
  assert.equal(found.length, 6000);
  assert.equal(found[0]!.after, null);
});

test('only what is near a change is shown, with how much is left out', () => {
  const lines = Array.from({ length: 20 }, (_, at) => `l${at}`);
  const other = lines.map((line, at) => (at === 10 ? 'x' : line));
  const [file, made, gone] = difference(
    { 'a.cedar': text(lines), 'b.cedar': 'same\n', 'd.cedar': 'x\n' },
    { 'a.cedar': text(other), 'b.cedar': 'same\n', 'c.cedar': 'new\n' },
  );
  assert.deepEqual([file!.added, file!.removed, file!.hunks.length], [1, 1, 1]);
  assert.equal(file!.hunks[0]!.skipped, 7);
  assert.equal(file!.hunks[0]!.lines.length, 8);
  assert.deepEqual([made!.name, made!.state, gone!.name, gone!.state], ['c.cedar', 'new', 'd.cedar', 'gone']);
  assert.deepEqual([...changedLines(text(lines), text(other))], [11]);
});

const set = (digest: string, files: Record<string, string>): PolicySet =>
  ({ digest, number: 1, files }) as unknown as PolicySet;

test('a draft is put on another set file by file, and says what both changed', () => {
  const base = set('one', { a: '1', b: '1', c: '1', d: '1' });
  const mine = { ...begun(base), files: { a: '2', b: '1', c: '2', e: 'new' } };
  assert.deepEqual(edited(mine), ['a', 'c', 'd', 'e']);
  const { draft, both } = onto(mine, set('two', { a: '1', b: '3', c: '3', d: '1' }));
  assert.deepEqual(draft.files, { a: '2', b: '3', c: '2', e: 'new' });
  assert.deepEqual(both, ['c']);
  assert.equal(draft.digest, 'two');
});

test('a stored draft that is none is no draft', () => {
  for (const wrong of [null, '', '{', '{}', '3', '{"digest": 3}']) assert.equal(restored(wrong), null);
  const kept = begun(set('one', { a: '1' }));
  assert.deepEqual(restored(JSON.stringify(kept)), kept);
});

test('words of Cedar and TOML are told apart, and none is lost', () => {
  const line = 'forbid (principal, action == FL::Action::"a//b") when { x > 10 }; // why';
  const found = words(line, 'a.cedar');
  assert.equal(found.map(word => word.text).join(''), line);
  assert.deepEqual(
    found.filter(word => word.kind).map(word => [word.kind, word.text]),
    [['key', 'forbid'], ['key', 'action'], ['string', '"a//b"'], ['key', 'when'], ['number', '10'], ['comment', '// why']],
  );
  const toml = words('min_trust = 0.4 # floor', 'federation.toml');
  assert.deepEqual(toml.filter(word => word.kind).map(word => word.text), ['0.4', '# floor']);
  assert.deepEqual(words('', 'a.cedar'), [{ kind: '', text: '' }]);
});

test('the word at a column is underlined whole', () => {
  assert.deepEqual(wordAt('unless { principal.trst }', 20), [19, 23]);
  assert.deepEqual(wordAt('ab', 9), [1, 2]);
  assert.deepEqual(wordAt('', 1), [0, 1]);
});
