// One WebSocket to the collector. It only says that something changed: the figures themselves are
// read over HTTP, so that a lost message costs nothing but time.
import { signal } from '@preact/signals';
import { gone, poll, reach, suspect } from './collector';
import type { StreamMessage } from './contract';
import { backOff } from './pace';

type Listener = (run: string | null) => void;

/** Grows when the store turns out to be a new one: what a page holds of the old one is void. */
export const anew = signal(0);

/** Grows with every change of an alert, and whenever one may have been missed. */
export const alertsChanged = signal(0);

const listeners = new Set<Listener>();
let socket: WebSocket | null = null;
let cursor: number | null = null;
let store: string | null = null;
let tries = 0;

const tell = (run: string | null) => listeners.forEach(listener => listener(run));

/** Be told of a run that changed, or of null: anything may have. Returns the way to stop. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

const target = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/metrics`;

function subscribe(open: WebSocket): void {
  const known = reach.peek().health?.store_id ?? null;
  if (store !== known) cursor = null; // cursors of another store mean nothing
  store = known;
  const streams = ['fl_training', 'system_events', 'alerts'];
  open.send(JSON.stringify({ action: 'subscribe', streams, ...(cursor === null ? {} : { cursor }) }));
}

function receive(message: StreamMessage): void {
  if (message.type === 'subscribed' && cursor !== null && message.cursor < cursor) {
    cursor = null;
    anew.value++;
  }
  // A subscription with a cursor is answered with the newest one before what lies between comes.
  if (message.type === 'subscribed') cursor ??= message.cursor;
  else if ('cursor' in message && message.type !== 'lagging') cursor = message.cursor;
  if (message.type === 'subscribed') tell(null);
  if (message.type === 'subscribed' || 'alert' in message) alertsChanged.value++;
  if (message.type === 'fl_round_update' || message.type === 'run_update') tell(message.run);
  if (message.type === 'event') tell(message.event.run);
}

function reconnect(): void {
  socket = null;
  suspect();
  setTimeout(connect, backOff(tries++) * 1000);
}

export function connect(): void {
  if (socket) return;
  const open = new WebSocket(target());
  socket = open;
  open.onopen = () => {
    tries = 0;
    if (gone.peek()) void poll();
    subscribe(open);
  };
  open.onmessage = event => receive(JSON.parse(String(event.data)) as StreamMessage);
  open.onclose = reconnect;
}
