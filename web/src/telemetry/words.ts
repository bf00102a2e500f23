// Names, units and figures of metrics as text.
import { duration, fixed, three } from '../format';
import type { Metric } from './contract';

const NAMES: Record<string, string> = {
  power_consumption: 'Power',
  cpu_usage: 'Load',
  cpu_consumption: 'Load',
  memory_usage: 'Memory',
  memory_consumption: 'Memory',
  ram_usage: 'Memory',
};

export const metricName = (metric: string): string => NAMES[metric] ?? metric;

/** A unit as it stands behind a figure: load has none. */
export const said = (unit: string | null | undefined): string => (unit && unit !== 'load' ? unit : '');

/** A figure with its unit, where it has one. */
export const withUnit = (value: number, unit: string | null): string => `${three(value)} ${said(unit)}`.trimEnd();

export const unitOf = (metrics: readonly Metric[], name: string): string | null =>
  metrics.find(metric => metric.name === name)?.unit ?? null;

/** 12.3 J, 4.56 kJ, 1.20 MJ. */
export function energy(joules: number): string {
  const [per, unit] = joules >= 1e6 ? [1e6, 'MJ'] : joules >= 1e3 ? [1e3, 'kJ'] : [1, 'J'];
  return `${three(joules / per)} ${unit}`;
}

/** A stretch of time on an axis: 30 s, 2.5 min, 1 h. */
export function ahead(seconds: number): string {
  if (seconds < 90) return `${fixed(0)(seconds)} s`;
  if (seconds < 5400) return `${Number((seconds / 60).toFixed(1))} min`;
  return seconds < 172_800 ? `${Number((seconds / 3600).toFixed(1))} h` : duration(seconds);
}
