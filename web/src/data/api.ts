// Reads from the collector. Every failure becomes an ApiError that a page can show.
import { readColumns, type ColumnsAnswer } from './columns';
import type { Client, Event, Health, Round, Run, Span, SystemStatus } from './contract';

export const ALL_ROWS = 1_000_000;
const RUNS_A_PAGE = 500;

/** `status` is 0 where no answer came at all; a bare 502 or 504 is a proxy's way to say so. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly field: string | null = null,
  ) {
    super(message);
  }

  get unreachable(): boolean {
    return !this.status || (this.code === 'http' && (this.status === 502 || this.status === 504));
  }
}

type Query = Record<string, string | number | null | undefined>;

function address(path: string, query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function refusal(answer: Response): Promise<ApiError> {
  const body: unknown = await answer.json().catch(() => null);
  const error = (body as { error?: { code?: string; message?: string; field?: string } })?.error;
  const message = error?.message ?? `The collector answered ${answer.status} ${answer.statusText}.`;
  return new ApiError(message, answer.status, error?.code ?? 'http', error?.field ?? null);
}

export async function get<T>(path: string, query: Query = {}, init?: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address(path, query), init);
  } catch {
    throw new ApiError('The collector did not answer.', 0, 'unreachable');
  }
  if (!answer.ok) throw await refusal(answer);
  try {
    return (await answer.json()) as T;
  } catch {
    throw new ApiError('The answer of the collector was cut off.', 0, 'unreachable');
  }
}

const of = (run: string) => `/api/v1/runs/${encodeURIComponent(run)}`;

export const getHealth = () => get<Health>('/health');
export const getStatus = () => get<SystemStatus>('/api/v1/status');
export const getRun = (run: string) => get<Run>(of(run));

/** All runs, newest first; `part` gets what has arrived after each page. */
export async function getRuns(part: (runs: Run[], total: number) => void): Promise<void> {
  const found: Run[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: found.length ? RUNS_A_PAGE : 100, cursor };
    const page = await get<{ runs: Run[]; total: number; next: string | null }>('/api/v1/runs', query);
    found.push(...page.runs);
    cursor = page.next;
    part(found, cursor ? page.total : found.length);
  }
}

/** Rounds from `from` on, by round. */
export async function getRounds(run: string, from: number | null): Promise<Round[]> {
  const query = { from_round: from, layout: 'columns', limit: ALL_ROWS };
  return readColumns<Round>(await get<ColumnsAnswer>(`${of(run)}/rounds`, query));
}

/** Client figures as columns: `round`, `node` and what `fields` names; one answer or, of many, more. */
export async function getClientColumns(
  run: string,
  fields: readonly string[],
  from: number | null,
): Promise<ColumnsAnswer[]> {
  const names = [...new Set(['round', 'node', ...fields])].join(',');
  const query = { from_round: from, fields: names, layout: 'columns', limit: ALL_ROWS };
  const pages: ColumnsAnswer[] = [];
  for (let [offset, total] = [0, Infinity]; offset < total; ) {
    const page = await get<ColumnsAnswer>(`${of(run)}/clients`, { ...query, offset });
    pages.push(page);
    offset += page.count;
    total = page.count ? page.total : offset;
  }
  return pages;
}

export async function getRoundClients(run: string, round: number): Promise<Client[]> {
  const query = { from_round: round, to_round: round, layout: 'columns', limit: ALL_ROWS };
  return readColumns<Client>(await get<ColumnsAnswer>(`${of(run)}/clients`, query));
}

export async function getRoundSpans(run: string, round: number): Promise<Span[]> {
  const query = { from_round: round, to_round: round, layout: 'columns', limit: ALL_ROWS };
  return readColumns<Span>(await get<ColumnsAnswer>(`${of(run)}/spans`, query));
}

/** At most so many come at once, the oldest first. */
export const EVENTS = 1000;

export async function getEvents(run: string, kind: string, after = 0): Promise<Event[]> {
  const query = { kind, after, limit: EVENTS };
  return (await get<{ events: Event[] }>(`${of(run)}/events`, query)).events;
}

export async function getRoundEvents(run: string, round: number): Promise<Event[]> {
  return (await get<{ events: Event[] }>(`${of(run)}/events`, { round, limit: 1000 })).events;
}
