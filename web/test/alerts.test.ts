import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Alert } from '../src/alerts/contract';
import { evidenceText, expected, matchersOf, saw } from '../src/alerts/words';

const alert = (figures: Partial<Alert>): Alert =>
  ({ id: 1, type: 'own', current_value: null, expected_range: null, threshold: null, baseline: null, run: null, round: null, node: null, labels: {}, ...figures }) as Alert;

test('a figure is told with the digits that tell it from 0 and from its threshold', () => {
  assert.equal(saw(alert({ current_value: 0.00042 })), '0.00042');
  assert.equal(expected(alert({ current_value: 0.00042, threshold: 0.0001 })), '≤ 0.0001');
  assert.equal(saw(alert({ current_value: 0 })), '0.00');
  assert.equal(saw(alert({})), null);
  assert.equal(evidenceText(0.00001234), '0.0000123');
  assert.equal(evidenceText(null), '—');
});

test('what fell to the threshold itself should have been above it', () => {
  const fell = alert({ type: 'fl_accuracy_drop', current_value: 0.5, threshold: 0.5, baseline: 0.6 });
  assert.equal(expected(fell), '≥ 50.0 %');
  const spike = alert({ type: 'network_latency_spike', current_value: 250, threshold: 150, baseline: 50 });
  assert.equal(expected(spike), '≤ 150 ms');
});

test('a silence holds back one thing, not all of its type', () => {
  const one = alert({ type: 'network_latency_spike', node: 's1', labels: { node: 's1', link: 's1:s2' } });
  assert.deepEqual(matchersOf(one).map(({ label, value }) => `${label}=${value}`), [
    'type=network_latency_spike',
    'node=s1',
    'link=s1:s2',
  ]);
});
