// What the reader is looking at: the URL as signals, the pointer, the theme, the window.
import { computed, effect, signal } from '@preact/signals';
import { keepKey } from './data/session';
import { changed, formatHash, parseHash, type Changes } from './route';

export const route = signal(parseHash(keepKey(location.hash)));
export const page = computed(() => route.value.page);
export const runId = computed(() => route.value.run);

const read = () => {
  if (formatHash(route.peek()) !== location.hash) route.value = parseHash(location.hash);
};
addEventListener('hashchange', read);
addEventListener('popstate', read);

/** One key of the query; a component that reads it renders again when the URL changes. */
export const query = (key: string): string | undefined => route.value.query[key];

/** `push` for what the back button should undo, `replace` for what merely follows the hand. */
export function setQuery(changes: Changes, how: 'push' | 'replace' = 'push'): void {
  const next = changed(route.peek(), changes);
  const hash = formatHash(next);
  if (hash === formatHash(route.peek())) return;
  if (how === 'push') history.pushState(null, '', hash);
  else history.replaceState(null, '', hash);
  route.value = next;
}

export const PLACES = [
  ['runs', 'Runs'],
  ['compare', 'Compare'],
  ['nodes', 'Nodes'],
  ['models', 'Models'],
  ['policy', 'Policy'],
  ['alerts', 'Alerts'],
  ['telemetry', 'Telemetry'],
] as const;
export type Place = (typeof PLACES)[number][0];

export const href = (page: string, run: string): string => formatHash({ page, run, query: {} });
export const runHref = (run: string): string => href('run', run);
export const go = (page: string): void => void (location.hash = href(page, ''));
export const goRun = (run: string): void => void (location.hash = runHref(run));

/** Open a run in the place of this page, so that "back" does not return to an empty one. */
export function becomeRun(run: string): void {
  history.replaceState(null, '', runHref(run));
  route.value = parseHash(location.hash);
}

export const hoverRound = signal<number | null>(null);
export const hoverNode = signal<string | null>(null);
export const dialog = signal<'jump' | 'keys' | null>(null);

export const width = signal(innerWidth);
export const height = signal(innerHeight);
addEventListener('resize', () => {
  width.value = innerWidth;
  height.value = innerHeight;
});
export const phone = computed(() => width.value <= 720);

export type Theme = 'system' | 'dark' | 'light';
const THEME_KEY = 'fedsight-theme';
const light = matchMedia('(prefers-color-scheme: light)');
const systemLight = signal(light.matches);
light.addEventListener('change', () => (systemLight.value = light.matches));

function storedTheme(): Theme {
  const stored = localStorage.getItem(THEME_KEY);
  return stored === 'dark' || stored === 'light' ? stored : 'system';
}

export const theme = signal<Theme>(storedTheme());
export const shade = computed(() =>
  theme.value === 'system' ? (systemLight.value ? 'light' : 'dark') : theme.value,
);
export function nextTheme(): void {
  const order: Theme[] = ['system', 'dark', 'light'];
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length]!;
  localStorage.setItem(THEME_KEY, theme.value);
}
effect(() => void (document.documentElement.dataset.theme = shade.value));

/** A colour token of the theme, for canvases. */
export const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
