// Energy from what the collector has of nodes' counters and power: joules between two times.
// Pure. What the samples do not cover is not known.
import type { Maybe } from '../data/contract';
import { median } from '../run/rounds';
import type { Samples } from './contract';

/** What a node sends on, as far as what arrives tells: that it sends nothing, nobody can see. */
export type Sends = 'rows' | 'minutes';

export const COUNTER = 'scaph_host_energy_microjoules';
export const MINUTES = 'scaph_host_power_microwatts_minute_mean';

/** A counter is read between two samples at most so far apart; seconds. */
const FAR = 60;
const MINUTE = 60;
const MICRO = 1e-6;
/** A minute's mean stands for the parts of it; so much of a span may have none. */
const MISSING = 0.01;

/** One machine's energy: rows of a counter (µJ), or means of minutes (µW). Times in seconds. */
export interface Meter {
  node: string;
  kind: 'rows' | 'minutes';
  /** Modelled from the load, not measured. */
  modelled: boolean;
  times: number[];
  values: number[];
}

/** The meters of all nodes: what came last of each, and rows where both do. */
export function meters(rows: Samples, minutes: Samples): Meter[] {
  const found = new Map<string, Meter>();
  for (const [kind, { series }] of [['minutes', minutes], ['rows', rows]] as const) {
    for (const { labels, times, values } of series) {
      const node = labels.node ?? labels.instance;
      if (!node || !times.length) continue;
      const kept = values.flatMap((value, at) => (value === null ? [] : [[times[at]! / 1e9, value] as const]));
      const last = times.at(-1)! / 1e9;
      if (last < (found.get(node)?.times.at(-1) ?? -Infinity)) continue;
      found.set(node, {
        node,
        kind,
        modelled: (labels.value_source ?? '').startsWith('model'),
        times: kept.map(([time]) => time),
        values: kept.map(([, value]) => value),
      });
    }
  }
  return [...found.values()].sort((a, b) => a.node.localeCompare(b.node));
}

/** The first index whose time is at least `time`. */
function firstAt(times: readonly number[], time: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The counter at a time between two samples that are near; null where there are none. */
function counterAt({ times, values }: Meter, time: number): Maybe<number> {
  const after = firstAt(times, time);
  if (after === times.length) return null;
  if (times[after] === time) return values[after]!;
  const before = after - 1;
  if (before < 0) return null;
  const apart = times[after]! - times[before]!;
  if (apart > FAR || values[after]! < values[before]!) return null;
  const part = (time - times[before]!) / apart;
  return values[before]! + part * (values[after]! - values[before]!);
}

function ofCounter(meter: Meter, from: number, to: number): Maybe<number> {
  const [first, last] = [counterAt(meter, from), counterAt(meter, to)];
  if (first === null || last === null) return null;
  const { times, values } = meter;
  // A counter that began anew has forgotten what it had counted since the sample before.
  for (let at = firstAt(times, from) + 1; at < times.length && times[at]! <= to; at++) {
    if (values[at]! < values[at - 1]!) return null;
  }
  return (last - first) * MICRO;
}

function ofMinutes({ times, values }: Meter, from: number, to: number): Maybe<number> {
  let [joules, covered] = [0, 0];
  for (let at = firstAt(times, from - MINUTE); at < times.length && times[at]! < to; at++) {
    const seconds = Math.min(to, times[at]! + MINUTE) - Math.max(from, times[at]!);
    if (seconds <= 0) continue;
    covered += seconds;
    joules += values[at]! * seconds * MICRO;
  }
  return covered >= (to - from) * (1 - MISSING) && to > from ? joules : null;
}

/** Joules that the machine used between two times (s); null where its samples do not say. */
export const joules = (meter: Meter, from: number, to: number): Maybe<number> =>
  meter.kind === 'rows' ? ofCounter(meter, from, to) : ofMinutes(meter, from, to);

export interface RoundEnergy {
  joules: Maybe<number>;
  /** Machines that are in the sum. */
  metered: number;
}

/** All that these machines used in a span; null where none was metered through it. */
export function together(machines: readonly Meter[], from: number, to: number): RoundEnergy {
  const known = machines.map(one => joules(one, from, to)).filter(value => value !== null);
  const sum = known.reduce((a, b) => a + b, 0);
  return { joules: known.length ? sum : null, metered: known.length };
}

/** Joules of each round: where fewer machines were metered than in others, the sum is not known. */
export function wholly(rounds: readonly RoundEnergy[]): Maybe<number>[] {
  const most = rounds.reduce((a, { metered }) => Math.max(a, metered), 0);
  return rounds.map(({ joules, metered }) => (metered === most ? joules : null));
}

/** Those that are nodes of the run by their name; else all, as the nodes share these machines. */
export function machinesOf(all: readonly Meter[], nodes: readonly string[]): { machines: Meter[]; named: boolean } {
  const machines = all.filter(({ node }) => nodes.includes(node));
  return machines.length ? { machines, named: true } : { machines: [...all], named: false };
}

/** Joules for a point (1 %) of accuracy, from the first known round to the last. */
export function perPoint(energy: readonly Maybe<number>[], accuracy: readonly Maybe<number>[]): Maybe<number> {
  const first = accuracy.findIndex(value => value !== null);
  const last = accuracy.findLastIndex(value => value !== null);
  if (first < 0 || first === last) return null;
  const gained = 100 * (accuracy[last]! - accuracy[first]!);
  const used = energy.slice(first + 1, last + 1);
  if (gained <= 0 || used.some(value => value === null)) return null;
  return used.reduce<number>((a, b) => a + b!, 0) / gained;
}

/** The last stretch that a meter covers, at most `longest` seconds: joules and mean watts. */
export function lately(meter: Meter, longest: number): Maybe<{ joules: number; seconds: number }> {
  const last = meter.times.at(-1);
  if (last === undefined) return null;
  const to = meter.kind === 'minutes' ? last + MINUTE : last;
  const from = Math.max(meter.times[0]!, to - longest);
  const found = joules(meter, from, to);
  return found === null || to <= from ? null : { joules: found, seconds: to - from };
}

/** What arrives from a node in the collector: told by the newest of its samples. */
export function sends(meter: Meter | undefined, now: number): Maybe<Sends> {
  const last = meter?.times.at(-1);
  if (!meter || last === undefined) return null;
  const usual = median(meter.times.slice(1).map((time, at) => time - meter.times[at]!)) ?? 0;
  return now - last > Math.max(600, 5 * usual) ? null : meter.kind;
}
