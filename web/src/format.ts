// Figures as text. Real minus signs; digits that the reader can use.

export const DASH = '—';
const THIN = '\u2009';

export const fixed = (digits: number) => (value: number) =>
  value.toFixed(digits).replace('-', '−');

export const percent = (ratio: number): string => fixed(1)(100 * ratio);

export const signed = (digits: number) => (value: number) =>
  (value < 0 ? '−' : '+') + Math.abs(value).toFixed(digits);

/** 12 345, with a thin space. */
export const count = (value: number): string =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, THIN);

/** Three significant digits, never in powers of ten. */
export function three(value: number): string {
  const size = Math.abs(value);
  return fixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || size === 0 ? 2 : 3)(value);
}

export interface Scale {
  unit: string;
  per: number;
}

/** Decimal bytes: the unit in which `largest` reads best. */
export function byteScale(largest: number): Scale {
  if (largest >= 1e9) return { unit: 'GB', per: 1e9 };
  if (largest >= 1e6) return { unit: 'MB', per: 1e6 };
  return largest >= 1e3 ? { unit: 'kB', per: 1e3 } : { unit: 'B', per: 1 };
}

export function timeScale(largest: number): Scale {
  if (largest >= 600) return { unit: 'min', per: 60 };
  return largest >= 1 ? { unit: 's', per: 1 } : { unit: 'ms', per: 1e-3 };
}

export function bytes(value: number): string {
  const { unit, per } = byteScale(value);
  return `${unit === 'B' ? count(value) : three(value / per)} ${unit}`;
}

/** A measured time: 1.40 ms, 140 ms, 1.62 s, 38.8 s, 4 min 05 s. */
export function seconds(value: number): string {
  if (value >= 90) return duration(value);
  const { unit, per } = timeScale(value >= 0.9995 ? 1 : value);
  return `${three(value / per)} ${unit}`;
}

const two = (value: number) => String(Math.floor(value)).padStart(2, '0');

/** A long time, in whole seconds: 12 s, 4 min 05 s, 3 h 20 min. */
export function duration(value: number): string {
  const whole = Math.round(value);
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two((whole % 3600) / 60)} min`;
}

export function ago(value: number): string {
  if (value < 1) return 'now';
  if (value < 60) return `${Math.floor(value)} s ago`;
  if (value < 3600) return `${Math.floor(value / 60)} min ago`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ago`;
  return `${Math.floor(value / 86400)} d ago`;
}

/** Time of day in UTC, HH:MM:SS. */
export const clock = (milliseconds: number): string =>
  Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString().slice(11, 19) : DASH;

/** The names that a text does not have as words of its own. */
export function unnamed(names: readonly string[], text: string | null): string[] {
  const words = new Set(text?.split(/[\s,;.]+/));
  return names.filter(name => !words.has(name));
}

/** `a, b, c and 3 more`. */
export function listed(names: readonly string[], most = 4): string {
  if (names.length <= most + 1) return names.join(', ').replace(/, ([^,]*)$/, ' and $1');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;
