// Whom the run's policy refused, and why. Pure.
import type { Event } from '../data/contract';

/** The newest of a node's refusals, from the first to the last round in which it was the same. */
export interface Refusal {
  action: string;
  message: string;
  first: number;
  last: number;
}

/** What is known so far, and what events told since. */
export function refusals(
  known: ReadonlyMap<string, Refusal>,
  events: readonly Event[],
): Map<string, Refusal> {
  const found = new Map(known);
  for (const { node, round, details } of events.toSorted((a, b) => a.id - b.id)) {
    if (node === null || round === null) continue;
    const [action, message] = [String(details.action), String(details.message)];
    const before = found.get(node);
    const same = before?.action === action && before.message === message && round <= before.last + 1;
    found.set(node, { action, message, first: same ? before.first : round, last: round });
  }
  return found;
}

const WHAT: Record<string, string> = {
  train: 'refused',
  evaluate: 'not let evaluate',
  shareModel: 'update refused',
};

export const since = ({ action, first, last }: Refusal): string =>
  `${WHAT[action] ?? action} in ${first === last ? `round ${last}` : `rounds ${first} to ${last}`}`;

/** Whether it is kept out of the round that follows `round`, or was of that one. */
export const isOut = (refusal: Refusal | undefined, round: number | null): boolean =>
  refusal?.action === 'train' && refusal.last >= (round ?? 0);
