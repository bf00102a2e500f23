// The FL server, asked through the collector: what it does now, and what it is told to do.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError, get } from '../data/api';
import { suspect } from '../data/collector';
import { writeKey } from '../data/session';
import type { FlClient, FlCommand, FlStatus, Service, Session } from './contract';

const FL = '/api/v1/services/fl/';
const BUSY_MS = 1500;
const IDLE_MS = 5000;
const CLIENTS_A_PAGE = 1000;

interface Server {
  /** The last answer; null before the first, and where the server is away. */
  status: FlStatus | null;
  error: ApiError | null;
}

export const server = signal<Server>({ status: null, error: null });
export const session = signal<Session | null>(null);

/** Headers of a request that changes something. */
export const written = (): HeadersInit => ({
  'content-type': 'application/json',
  'fedsight-write-key': writeKey(),
});

export const ask = <T>(path: string, query = {}): Promise<T> => get<T>(FL + path, query);

/** Tell the server to do something; then look at once at what it does. */
export async function tell<T = FlCommand>(path: string, body: object = {}): Promise<T> {
  const init = { method: 'POST', headers: written(), body: JSON.stringify(body) };
  try {
    return await get<T>(FL + path, {}, init);
  } catch (error) {
    if ((error as ApiError).status === 401) await lookAtSession();
    throw error;
  } finally {
    void look();
  }
}

export async function allClients(): Promise<FlClient[]> {
  const found: FlClient[] = [];
  for (let total = Infinity; found.length < total; ) {
    const query = { limit: CLIENTS_A_PAGE, offset: found.length };
    const page = await ask<{ clients: FlClient[]; total: number }>('clients', query);
    found.push(...page.clients);
    total = page.clients.length ? page.total : found.length;
  }
  return found;
}

async function lookAtSession(): Promise<void> {
  session.value = await get<Session>('/api/v1/session', {}, { headers: written() });
}

let watching = 0;
let timer = 0;

/** Failures of a service are shown; a collector that is gone leaves the last figures standing. */
function failed(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  if (error.unreachable) suspect();
  else server.value = { status: null, error };
}

/** Asking one that is away for its status would fill the browser's console with refusals. */
async function read(): Promise<Server> {
  if (!server.peek().status) {
    const { services } = await get<{ services: Service[] }>('/api/v1/services');
    const { error } = services.find(({ name }) => name === 'fl')!;
    if (error) return { status: null, error: new ApiError(error, 502, 'service_away') };
  }
  return { status: await ask<FlStatus>('status'), error: null };
}

async function look(): Promise<void> {
  clearTimeout(timer);
  try {
    server.value = await read();
  } catch (error) {
    failed(error);
  }
  clearTimeout(timer);
  if (!watching) return;
  const busy = server.peek().status?.training_active && !document.hidden;
  timer = window.setTimeout(() => void look(), busy ? BUSY_MS : IDLE_MS);
}

/** Keep `server` and `session` up for as long as the component stands. */
export function useServer(): void {
  useEffect(() => {
    if (!watching++) {
      void look();
      lookAtSession().catch(failed);
    }
    return () => {
      if (!--watching) clearTimeout(timer);
    };
  }, []);
}
