// Which runs are listed and how they are grouped. Pure.
import type { Run } from '../data/contract';

export type StateFilter = 'all' | 'live' | 'ended' | 'failed';
export type Grouping = 'state' | 'task' | 'none';
export type Item = { group: string; size: number } | { run: Run; at: number };

export const isLive = ({ state }: Run): boolean =>
  state === 'training' || state === 'silent' || state === 'paused';

export const runName = (run: Run): string =>
  [run.task, run.strategy].filter(Boolean).join('/') || run.id;

const haystacks = new WeakMap<Run, string>();

function haystack(run: Run): string {
  let text = haystacks.get(run);
  if (text === undefined) {
    const config = Object.entries(run.config).map(([key, value]) => `${key}=${String(value)}`);
    const parts = [run.id, runName(run), run.engine, run.state, run.reason, ...config];
    text = parts.filter(Boolean).join(' ').toLowerCase();
    haystacks.set(run, text);
  }
  return text;
}

/** Every word of the search must be somewhere in the run's names, state, reason or settings. */
export function matches(run: Run, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every(word => haystack(run).includes(word));
}

function inState(run: Run, filter: StateFilter): boolean {
  if (filter === 'live') return isLive(run);
  if (filter === 'ended') return !isLive(run) && run.state !== 'unknown';
  return filter === 'all' || run.state === 'failed';
}

export function filtered(runs: readonly Run[], search: string, state: StateFilter): Run[] {
  return runs.filter(run => inState(run, state) && matches(run, search));
}

function groupOf(run: Run, grouping: Grouping): string {
  if (grouping === 'task') return run.task ?? 'Task unknown';
  if (run.state === 'unknown') return 'State unknown';
  return isLive(run) ? 'Live' : 'Ended';
}

/** Runs in the order of the list, each group behind its heading; live runs first. */
export function grouped(runs: readonly Run[], grouping: Grouping): Item[] {
  if (grouping === 'none') return runs.map((run, at) => ({ run, at }));
  const groups = new Map<string, Run[]>(grouping === 'state' ? [['Live', []]] : []);
  for (const run of runs) {
    const name = groupOf(run, grouping);
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
  let at = 0;
  return [...groups]
    .filter(([, members]) => members.length)
    .flatMap(([group, members]): Item[] => [
      { group, size: members.length },
      ...members.map(run => ({ run, at: at++ })),
    ]);
}
