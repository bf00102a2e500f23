// All runs, newest first, kept up with the stream.
import { computed, signal } from '@preact/signals';
import { ApiError, getRun, getRuns } from '../data/api';
import { comeback, heartbeat, suspect } from '../data/collector';
import type { Run } from '../data/contract';
import { onChange } from '../data/live';
import { paced } from '../data/pace';
import { isLive } from './filter';

const LIVE_GAP_MS = 250;
/** With more runs changing at once, the list is read as a whole. */
const ONE_BY_ONE = 4;

const known = signal<ReadonlyMap<string, Run>>(new Map());
export const runs = computed(() =>
  [...known.value.values()].sort((a, b) => (b.started ?? '').localeCompare(a.started ?? '')),
);
/** Null until the first answer: no runs and not yet known are different things. */
export const total = signal<number | null>(null);
export const liveRuns = computed(() => runs.value.filter(isLive));
export const runsError = signal<ApiError | null>(null);

const dirty = new Set<string>();
let everything = true;

async function readAll(): Promise<void> {
  await getRuns((found, count) => {
    // Until all have come, those known before stand: a list that shrinks and grows would blink.
    const before = found.length < count ? known.peek() : [];
    known.value = new Map([...before, ...found.map(run => [run.id, run] as const)]);
    total.value = count;
  });
}

/** Null for a run that an event names and that never began here. */
async function readOne(id: string): Promise<Run | null> {
  try {
    return await getRun(id);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function readSome(ids: string[]): Promise<void> {
  const found = (await Promise.all(ids.map(readOne))).filter(run => run !== null);
  const fresh = found.filter(run => !known.peek().has(run.id)).length;
  known.value = new Map([...known.peek(), ...found.map(run => [run.id, run] as const)]);
  total.value = (total.peek() ?? 0) + fresh;
}

async function update(): Promise<void> {
  const ids = [...dirty];
  const all = everything || ids.length > ONE_BY_ONE;
  dirty.clear();
  everything = false;
  try {
    await (all ? readAll() : readSome(ids));
    runsError.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    everything = true;
    if (error.unreachable) suspect();
    else runsError.value = error;
  }
}

const refresh = paced(update, LIVE_GAP_MS);

export function retryRuns(): void {
  everything = true;
  refresh();
}

/** A run may have fallen silent, which nothing announces: ask again about those that train. */
function onHeartbeat(): void {
  if (everything) return refresh();
  runs.peek().filter(isLive).forEach(run => dirty.add(run.id));
  if (dirty.size) refresh();
}

export function watchRuns(): void {
  onChange(run => {
    if (run === null) everything = true;
    else dirty.add(run);
    refresh();
  });
  comeback.subscribe(retryRuns);
  heartbeat.subscribe(onHeartbeat);
}
