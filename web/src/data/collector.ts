// Whether the collector answers, how fast, and since when it does not. Polled, because a socket
// that is merely quiet says nothing.
import { computed, effect, signal } from '@preact/signals';
import { ApiError, getHealth } from './api';
import type { Health } from './contract';
import { backOff } from './pace';

const POLL_SECONDS = 5;
/** The first answer is slowed by the page's own start: soon measure again. */
const FIRST_POLL_SECONDS = 1;
const TICK_MS = 1000;

export interface Reach {
  state: 'unknown' | 'reached' | 'refused' | 'gone';
  /** Milliseconds that the last answer took to come. */
  latency: number | null;
  health: Health | null;
  /** When the last answer came, and when it was first missed (browser's clock, ms). */
  seen: number | null;
  goneSince: number | null;
  nextTry: number | null;
  /** The HTTP status with which it refused to tell. */
  refusal: number | null;
}

const silence = { goneSince: null, nextTry: null, refusal: null };

export const reach = signal<Reach>({
  state: 'unknown',
  latency: null,
  health: null,
  seen: null,
  ...silence,
});
export const gone = computed(() => reach.value.state === 'gone');
/** Grows whenever the collector answers after silence, or has another store. */
export const comeback = signal(0);
/** Grows with every answer: for what only reading again can tell, such as a silent run. */
export const heartbeat = signal(0);
/** Browser's clock in ms, moving once a second. */
export const now = signal(Date.now());

/** The collector's clock minus the browser's, in ms: ages are counted on the collector's. */
let skew = 0;
export const serverNow = (): number => now.value + skew;

let tries = 0;
let timer = 0;

function plan(seconds: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void poll(), seconds * 1000);
}

function reached(health: Health, latency: number): void {
  const before = reach.peek();
  const fresh = before.state === 'gone' || (before.health && before.health.store_id !== health.store_id);
  tries = 0;
  skew = Date.parse(health.timestamp) - Date.now() || 0;
  const seen = Date.now();
  reach.value = { state: 'reached', latency, health, seen, ...silence };
  if (fresh) comeback.value++;
  else heartbeat.value++;
  plan(before.state === 'unknown' ? FIRST_POLL_SECONDS : POLL_SECONDS);
}

function missed(): void {
  const before = reach.peek();
  const wait = backOff(tries++);
  reach.value = {
    ...before,
    state: 'gone',
    latency: null,
    refusal: null,
    goneSince: before.goneSince ?? Date.now(),
    nextTry: Date.now() + wait * 1000,
  };
  plan(wait);
}

/** It answers, but not this reader: pages show what they are told. */
function refused(refusal: number): void {
  tries = 0;
  reach.value = { ...reach.peek(), ...silence, state: 'refused', latency: null, refusal };
  plan(POLL_SECONDS);
}

/** Ask once, now. */
export async function poll(): Promise<void> {
  const start = performance.now();
  try {
    reached(await getHealth(), performance.now() - start);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.unreachable) missed();
    else refused(error.status);
  }
}

/** Something else noticed that no answer comes: find out now rather than at the next poll. */
export function suspect(): void {
  if (reach.peek().state === 'reached') plan(0);
}

export function watchCollector(): void {
  void poll();
  setInterval(() => (now.value = Date.now()), TICK_MS);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) plan(0);
  });
  effect(() => void document.documentElement.toggleAttribute('data-stale', gone.value));
}
