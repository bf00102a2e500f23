// Decisions in words. Pure.
import { fixed } from '../format';
import type { Because, Decision, Party } from './contract';

export const ACTIONS = [
  'participate',
  'train',
  'evaluate',
  'shareModel',
  'startRun',
  'nextRound',
  'promoteModel',
  'changePolicy',
  'resetTrust',
  'readAudit',
  'steerNetwork',
] as const;

export type Verdict = 'allowed' | 'denied' | 'observed';

export const verdictOf = ({ allowed, observed }: Decision): Verdict =>
  observed ? 'observed' : allowed ? 'allowed' : 'denied';

/** Who asked: a client by its name, others with what they are. */
export const whoOf = ({ client_id, principal }: Decision): string => client_id ?? principal.replace('::', ' ');

export interface Reason {
  /** The rule; null where it is no rule that speaks. */
  rule: string | null;
  text: string;
  bad: boolean;
}

/** All that speaks for or against: each rule with its reason, then what could not be judged. */
export function reasonsOf(one: Decision): Reason[] {
  const bad = verdictOf(one) !== 'allowed';
  const rules = one.because.map(({ id, reason, effect }: Because) => ({ rule: id, text: reason, bad: effect === 'forbid' }));
  const errors = one.errors.map(text => ({ rule: null, text, bad: true }));
  if (rules.some(({ text }) => !text)) {
    const told = { rule: null, text: one.reason, bad };
    return [...rules, told];
  }
  const found = [...rules, ...errors];
  return found.length ? found : [{ rule: null, text: one.reason, bad }];
}

/** A value of a request as it is read: decimals with four digits at most, lists parted by commas. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '—';
  if (Array.isArray(value)) return value.length ? value.map(valueText).join(', ') : 'none';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : fixed(4)(value).replace(/0+$/, '');
  if (typeof value !== 'object') return String(value);
  const exact = value as { $int?: string; $float?: string };
  return exact.$int ?? exact.$float ?? JSON.stringify(value);
}

export const attributesOf = (party: Party | null | undefined): [string, string][] => [
  ...Object.entries(party?.attributes ?? {}).map(([name, value]): [string, string] => [name, valueText(value)]),
  ...(party?.groups?.length ? ([['roles', party.groups.map(({ id }) => id).join(', ')]] as [string, string][]) : []),
];

/** Spans of time that can be chosen, in seconds. */
export const SPANS = [
  ['', 'Any time', null],
  ['15m', 'Last 15 min', 900],
  ['1h', 'Last hour', 3600],
  ['1d', 'Last day', 86_400],
  ['7d', 'Last 7 days', 604_800],
] as const;

export const FILTERS = ['verdict', 'action', 'client', 'rule', 'run', 'text', 'time'] as const;
export type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

/** What the service is asked for these filters; `now` in ms. */
export function askedFor(filters: Filters, now: number): Record<string, string | null> {
  const span = SPANS.find(([key]) => key && key === filters.time)?.[2];
  const { verdict } = filters;
  return {
    allowed: verdict === 'denied' ? 'false' : verdict === 'allowed' ? 'true' : null,
    action: filters.action || null,
    client: filters.client || null,
    rule: filters.rule || null,
    run: filters.run || null,
    text: filters.text?.trim().slice(0, 200) || null,
    since: span ? new Date(now - span * 1000).toISOString() : null,
  };
}

/** `2f9c 71d0 … 5be4`: the ends of a long hash, which are what one compares. */
export const shortHash = (hash: string): string =>
  hash.length > 16 ? `${hash.slice(0, 4)} ${hash.slice(4, 8)} … ${hash.slice(-4)}` : hash;

/** The causes of a change of trust, as a sentence has them. */
const CAUSES: Record<string, string> = {
  answered: 'answered in time',
  contributed: 'contributed samples',
  late: 'answered late',
  failed: 'could not train',
  silent: 'did not answer',
  refused: 'update refused by policy',
  rejected: 'update could not be averaged in',
  suspected: 'update unlike the others’',
  reset: 'reset by hand',
};
export const causeText = (cause: string): string => CAUSES[cause] ?? cause;
