// What an alert saw and what was expected, in words. Pure.
import { count, DASH, fixed, percent, three } from '../format';
import type { Alert, Matcher, Silence } from './contract';

const FORMATS: Record<string, (value: number) => string> = {
  fl_accuracy_drop: value => `${percent(value)} %`,
  client_disconnect_spike: fixed(2),
  network_latency_spike: value => `${three(value)} ms`,
};

/** A figure that is not 0 never reads as 0, however small. */
function plain(value: number): string {
  const size = Math.abs(value);
  if (size && size < 0.001) return String(+value.toPrecision(3)).replace(/^-/, '−');
  return value >= 1000 ? count(value) : three(value);
}

export const figure = (alert: Alert, value: number): string =>
  (FORMATS[alert.type] ?? plain)(value);

/** `12.0 ms`, or null where nothing was measured. */
export const saw = (alert: Alert): string | null =>
  alert.current_value === null ? null : figure(alert, alert.current_value);

/** What would have been no reason for an alert; null where the rule does not say. */
export function expected(alert: Alert): string | null {
  const { expected_range: range, threshold, baseline, current_value: now } = alert;
  if (range) return `${figure(alert, range[0])} to ${figure(alert, range[1])}`;
  if (threshold !== null) {
    // A figure may lie at the threshold itself: what it fell from or rose above tells the side.
    const below = now !== null && now < (baseline ?? threshold);
    return `${below ? '≥' : '≤'} ${figure(alert, threshold)}`;
  }
  return baseline === null ? null : `about ${figure(alert, baseline)}`;
}

/** Where it is: a run's round, a node, or what its labels say. */
export function where(alert: Alert): string {
  const places = [
    alert.round !== null && `round ${alert.round}`,
    alert.node,
    ...Object.entries(alert.labels)
      .filter(([name]) => name !== 'run' && name !== 'node')
      .map(([name, value]) => `${name} ${value}`),
  ];
  return places.filter(Boolean).join(', ');
}

const OWN = ['type', 'severity', 'run', 'node'];

/** What a silence must match to hold back this alert and none of another thing. */
export function matchersOf({ type, run, node, labels }: Alert): Matcher[] {
  const others = Object.entries(labels).filter(([name]) => !OWN.includes(name));
  return [...Object.entries({ type, run, node }), ...others].flatMap(([label, value]) =>
    value === null ? [] : [{ label, op: '=' as const, value }],
  );
}

export const covers = (silence: Silence): string =>
  silence.matchers.map(({ label, op, value }) => `${label} ${op} ${value}`).join(', ');

/** A figure of the evidence as text, lists and objects as JSON. */
export function evidenceText(value: unknown): string {
  if (value === null) return DASH;
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : plain(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
