// The view as text: `#/run/r-3fa9?metric=cpu_seconds&round=12`. Pure; `view.ts` ties it to the page.

export interface Route {
  page: string;
  run: string;
  query: Record<string, string>;
}
export type Changes = Record<string, string | number | null>;
export type Range = readonly [number, number];

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const [page = '', run = ''] = path.split('/');
  return {
    page: page || 'runs',
    run: decode(run),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function formatHash({ page, run, query }: Route): string {
  const text = new URLSearchParams(query).toString();
  return `#/${page}${run ? `/${encodeURIComponent(run)}` : ''}${text ? `?${text}` : ''}`;
}

/** The route with some keys set; null or an empty text takes a key away. */
export function changed(route: Route, changes: Changes): Route {
  const merged = { ...route.query, ...changes };
  const kept = Object.entries(merged).filter(([, value]) => value !== null && value !== '');
  return { ...route, query: Object.fromEntries(kept.map(([key, value]) => [key, String(value)])) };
}

/** A whole number of at least 0, or null where the text is none. */
export function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** `10-40` as rounds, or null where it is no range. */
export function parseRange(text: string | undefined): Range | null {
  const [from, to] = (text ?? '').split('-').map(part => wholeNumber(part));
  return from != null && to != null && from < to ? [from, to] : null;
}

export const formatRange = ([from, to]: Range): string => `${from}-${to}`;
