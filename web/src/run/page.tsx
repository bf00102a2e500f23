// The page of one run.
import '../chart/shared';
import { useEffect, useMemo } from 'preact/hooks';
import { Glyph } from '../parts';
import { Problem, Skeleton } from '../states';
import { isLive, runName } from '../runs/filter';
import { lazy } from '../lazy';
import { usePageKeys } from '../shell/keys';
import { height, hoverNode, hoverRound, phone, query, setQuery } from '../view';
import { RunHead } from './header';
import { Heat } from './heat';
import { Multiples } from './multiples';
import { Scrubber } from './scrubber';
import { RunStore } from './store';
import { back, heatFigure, inspect, inspecting, shownRound, step } from './view';
import { WaterfallPanel } from './waterfall';
import { fullHeight } from './waterfall-draw';

const RunNote = lazy(() => import('./steering').then(part => part.RunNote));
const Inspector = lazy(() => import('./inspector').then(part => part.Inspector));

const SMALLEST = 220;
const LARGEST = 640;
const PHONE = 400;
/** Height of all but the canvases; beside the inspector their legends take two lines. */
const OTHER = 404;
const OTHER_DOCKED = 434;
const MOMENT = 24;
const NOTE = 48;

function useKeys(store: RunStore): void {
  const table = store.rounds.value;
  usePageKeys({
    '[': () => step(-1, table),
    ']': () => step(1, table),
    l: () => setQuery({ round: null }),
    i: () => {
      const round = shownRound(table);
      if (inspecting()) setQuery({ inspect: null });
      else if (round !== null) inspect(round);
    },
    Escape: back,
  });
}

function Unreadable({ store }: { store: RunStore }) {
  const error = store.error.value!;
  const missing = error.status === 404;
  const all = (
    <a class="button" href="#/runs">
      All runs
    </a>
  );
  if (missing) {
    return (
      <Problem title={`There is no run “${store.id}”`} error={error} action={all}>
        The collector at {location.host} holds no run with this id. It may be in another data
        directory.
      </Problem>
    );
  }
  const again = (
    <button class="button" onClick={() => store.retry()}>
      Try again
    </button>
  );
  return (
    <Problem title="The run could not be read" error={error} action={[again, all]}>
      {error.unreachable
        ? 'The page fills by itself once the collector answers.'
        : 'Nothing is lost: the collector holds it.'}
    </Problem>
  );
}

const Refused = ({ store }: { store: RunStore }) =>
  store.error.value && (
    <p class="banner mild run-note" role="alert">
      <Glyph name="triangle" tone="warn" />
      <span>
        Not everything could be read: {store.error.value.message}
        {store.error.value.field && ` (field ${store.error.value.field})`}. What is shown stays true;
        it is tried again every few seconds.
      </span>
    </p>
  );

/** Tells tests and the performance panel when the page can be used. */
function useMark(ready: boolean): void {
  useEffect(() => {
    if (ready) requestAnimationFrame(() => performance.mark('run-usable'));
  }, [ready]);
}

export function RunPage({ id }: { id: string }) {
  const store = useMemo(() => new RunStore(id, heatFigure()), [id]);
  useEffect(
    () => () => {
      store.close();
      hoverRound.value = hoverNode.value = null;
    },
    [store],
  );
  useKeys(store);
  useMark(store.loaded.value);
  const run = store.run.value;
  if (!run) return store.error.value ? <Unreadable store={store} /> : <Skeleton rows={10} />;
  const table = store.rounds.value;
  document.title = `${runName(run)}, round ${table.last ?? 0} · fedsight`;
  const round = shownRound(table);
  const open = inspecting() && round !== null;
  const notes = [run.stalled, run.paused, run.silent, run.reason].filter(Boolean).length;
  const above = (isLive(run) ? MOMENT : 0) + notes * NOTE;
  void store.matrixVersion.value;
  const nodes = store.matrix.nodes.length;
  const free = phone.value ? PHONE : height.value - (open ? OTHER_DOCKED : OTHER) - above;
  const canvas = Math.max(SMALLEST, Math.min(LARGEST, free, fullHeight(nodes)));
  return (
    <div class={`run-page ${open ? 'docked' : ''}`} data-smooth={query('smooth')}>
      <div class="run-body">
        <RunHead run={run} table={table} nodes={nodes} />
        <RunNote run={run} />
        <Refused store={store} />
        <Multiples store={store} />
        <div class="canvases">
          <WaterfallPanel store={store} round={round} height={canvas} />
          <Heat store={store} height={canvas} />
        </div>
      </div>
      <Scrubber store={store} />
      {open && <Inspector store={store} round={round} />}
    </div>
  );
}
