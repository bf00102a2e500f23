// A replay: begun, followed until it ends, and kept while the page stands.
import { signal } from '@preact/signals';
import { ApiError } from '../data/api';
import type { Files, ReplayState } from './edit-contract';
import { ask, tell } from './service';

const LOOK_MS = 400;

export interface Wanted {
  /** What is judged by: the draft's files, or a version. */
  files: Files | null;
  number: number | null;
  /** How the page calls it, and the range. */
  name: string;
  range: string;
  since: string | null;
}

export interface Replay {
  wanted: Wanted;
  state: ReplayState | null;
  error: string | null;
}

export const replay = signal<Replay | null>(null);
let turn = 0;

const running = (): boolean => replay.peek()?.state?.state === 'running';

/** Follow it to its end; what was begun later has the page. */
async function follow(mine: number): Promise<void> {
  while (mine === turn && running()) {
    await new Promise(done => setTimeout(done, LOOK_MS));
    const now = replay.peek()!;
    const state = await ask<ReplayState>(`api/v1/policies/replays/${now.state!.id}`);
    if (mine === turn) replay.value = { ...replay.peek()!, state };
  }
}

export async function begin(wanted: Wanted): Promise<void> {
  const mine = ++turn;
  replay.value = { wanted, state: null, error: null };
  const { files, number, since } = wanted;
  const body = files ? { files, since } : { number, since };
  try {
    const state = await tell<ReplayState>('api/v1/policies/replays', body);
    replay.value = { wanted, state, error: null };
    await follow(mine);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (mine === turn) replay.value = { wanted, state: null, error: error.message };
  }
}

export async function stop(): Promise<void> {
  const now = replay.peek();
  if (!now?.state) return;
  try {
    const state = await tell<ReplayState>(`api/v1/policies/replays/${now.state.id}/stop`, {});
    turn++;
    replay.value = { ...now, state };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    replay.value = { ...now, error: error.message };
  }
}
