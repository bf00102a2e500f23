// Trust of clients as lines over the moments at which any of them changed. Pure.
import type { Change, TrustCurve } from './contract';

export interface Moment {
  /** Unix nanoseconds. */
  time: number;
  run: string | null;
  round: number | null;
}

export interface TrustLines {
  /** One for each round in which anybody's trust changed, oldest first; a reset is its own. */
  moments: Moment[];
  /** By client: the score after each moment; null before the first change that is known. */
  lines: Map<string, (number | null)[]>;
  /** By client: its changes at each moment. */
  changes: Map<string, Map<number, Change[]>>;
}

const keyOf = ({ run, round, time }: Change): string => (run !== null && round !== null ? `${run} ${round}` : `at ${time}`);

export function trustLines(clients: readonly TrustCurve[]): TrustLines {
  const found = new Map<string, Moment>();
  for (const { changes } of clients) {
    for (const change of changes) {
      const moment = found.get(keyOf(change));
      if (!moment) found.set(keyOf(change), { time: change.time, run: change.run, round: change.round });
      else moment.time = Math.min(moment.time, change.time);
    }
  }
  const ranked = [...found].sort(([, a], [, b]) => a.time - b.time);
  const places = new Map(ranked.map(([key], at) => [key, at]));
  const lines = new Map<string, (number | null)[]>();
  const changes = new Map<string, Map<number, Change[]>>();
  for (const one of clients) {
    const at = new Map<number, Change[]>();
    for (const change of one.changes) {
      const place = places.get(keyOf(change))!;
      at.set(place, [...(at.get(place) ?? []), change]);
    }
    changes.set(one.client, at);
    let last: number | null = null;
    const line = ranked.map((_, place) => (last = at.get(place)?.at(-1)!.after ?? last));
    lines.set(one.client, line);
  }
  return { moments: ranked.map(([, moment]) => moment), lines, changes };
}

/** Clients that are drawn in colours: the one that was picked, then those that anything spoke
 *  against, the lowest first; where nothing did, just the lowest. */
export function highlighted(clients: readonly TrustCurve[], picked: string | null, most: number): string[] {
  const ranked = [...clients].sort((a, b) => lowest(a) - lowest(b));
  const against = ranked.filter(({ changes }) => changes.some(({ weight }) => weight < 0));
  const fallen = (against.length ? against : ranked.slice(0, 1)).map(({ client }) => client);
  const first = picked !== null && ranked.some(({ client }) => client === picked) ? [picked] : [];
  return [...first, ...fallen.filter(client => client !== picked)].slice(0, most);
}

const lowest = ({ score, changes }: TrustCurve): number => Math.min(score, ...changes.map(({ after }) => after));
