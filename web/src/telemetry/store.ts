// What the telemetry page shows, asked for as long as it stands: the forecaster through the
// collector, and nodes' energy from the collector itself.
import { signal } from '@preact/signals';
import { ApiError, get } from '../data/api';
import { serverNow, suspect } from '../data/collector';
import type { Maybe } from '../data/contract';
import type { Service } from '../fl/contract';
import type { NodeForecast, NodeList, Quality, Samples } from './contract';
import { COUNTER, meters, MINUTES, type Meter } from './energy';

const FORECASTER = '/api/v1/services/forecast/forecast';
const LOOK_MS = 3000;
/** Quality and energy change slowly. */
const SLOW_MS = 15_000;
const HOUR = 3600;

export const list = signal<NodeList | null>(null);
/** Why the forecaster cannot be asked; null while it answers, undefined before the first answer. */
export const away = signal<string | null | undefined>(undefined);
export const forecast = signal<NodeForecast | null>(null);
export const quality = signal<Quality | null>(null);
/** Meters over the last hour; null before the first answer. */
export const recent = signal<Meter[] | null>(null);

/** Samples of both ways in which energy arrives, of a stretch (Unix seconds). */
export async function readMeters(from: number, to: number): Promise<Meter[]> {
  const range = { from: from.toFixed(3), to: to.toFixed(3), times: 'ns' };
  // Of a long stretch the last value of each window is enough: a counter says all in between.
  const step = Math.ceil((to - from) / 3000);
  const wide = step > 3 ? { step, aggregation: 'last' } : {};
  const [rows, minutes] = await Promise.all([
    get<Samples>('/api/v1/query', { name: COUNTER, ...range, ...wide }),
    get<Samples>('/api/v1/query', { name: MINUTES, ...range }),
  ]);
  if (step > 3) rows.series.forEach(one => (one.times = one.times.map(time => time + step * 1e9)));
  return meters(rows, minutes);
}

/** Nodes whose errors are asked for at once; of more, that of the chosen one besides. */
const MOST_NODES = 200;

/** The part of the page that is looked at. */
let node = '';
let metric = '';

function failed(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  if (error.unreachable) suspect();
  else if (error.status >= 500) away.value = error.message;
}

/** Asking one that is away would fill the browser's console with refusals. */
async function whyAway(): Promise<string | null> {
  if (list.peek() && away.peek() === null) return null;
  const { services } = await get<{ services: Service[] }>('/api/v1/services');
  return services.find(({ name }) => name === 'forecast')!.error;
}

async function readForecaster(slow: boolean): Promise<void> {
  const why = await whyAway();
  if (why) {
    away.value = why;
    list.value = forecast.value = quality.value = null;
    asked = '';
    return;
  }
  const found = await get<NodeList>(FORECASTER);
  list.value = found;
  away.value = null;
  const chosen = chosenNode(found, node);
  const standing = found.nodes.find(one => one.node === chosen);
  if (standing?.standing !== 'ready') forecast.value = null;
  else if (forecast.peek()?.node !== chosen || forecast.peek()!.made_at !== standing.made_at) {
    forecast.value = await get<NodeForecast>(`${FORECASTER}/${encodeURIComponent(chosen!)}`);
  }
  const chosenMetric = found.metrics.find(({ name }) => name === metric)?.name ?? found.metrics[0]?.name;
  const key = `${chosenMetric} ${chosen}`;
  if (!found.model || (!slow && asked === key)) return;
  asked = key;
  quality.value = await readQuality(chosenMetric!, chosen);
}

/** The metric and node that errors were asked for last. */
let asked = '';

async function readQuality(metric: string, chosen: Maybe<string>): Promise<Quality> {
  const found = await get<Quality>(`${FORECASTER}/quality`, { metric, limit: MOST_NODES });
  const { nodes } = found.metrics[0]!;
  if (chosen === null || found.total <= nodes.length || nodes.some(one => one.node === chosen)) return found;
  const own = await get<Quality>(`${FORECASTER}/quality`, { metric, node: chosen });
  nodes.push(...own.metrics[0]!.nodes);
  return found;
}

/** The node that the URL names, else the first that has a forecast, else the first. */
export const chosenNode = ({ nodes }: NodeList, wanted: string): Maybe<string> =>
  (nodes.find(one => one.node === wanted) ?? nodes.find(one => one.standing === 'ready') ?? nodes[0])?.node ?? null;

let timer = 0;
let slowly = 0;
let stands = 0;

async function look(): Promise<void> {
  clearTimeout(timer);
  const slow = performance.now() - slowly > SLOW_MS;
  if (slow) slowly = performance.now();
  try {
    await readForecaster(slow);
  } catch (error) {
    failed(error);
  }
  try {
    const now = serverNow() / 1000;
    if (slow) recent.value = await readMeters(now - HOUR, now);
  } catch (error) {
    failed(error);
  }
  clearTimeout(timer);
  if (stands) timer = window.setTimeout(() => void look(), document.hidden ? SLOW_MS : LOOK_MS);
}

/** Look at this node and metric from now on. */
export function show(wanted: string, wantedMetric: string): void {
  [node, metric] = [wanted, wantedMetric];
  void look();
}

/** Keep all up until what is returned is called. */
export function watch(): () => void {
  stands++;
  slowly = -Infinity;
  return () => {
    if (!--stands) clearTimeout(timer);
  };
}
