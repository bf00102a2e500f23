// The nodes of a run: who they are, what they do now, what they did.
import '../fl/shared';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { now as wall, serverNow } from '../data/collector';
import type { FlClient } from '../fl/contract';
import { server, useServer } from '../fl/server';
import { fixed, plural, seconds } from '../format';
import { Choice, Figure, Panel } from '../parts';
import { figureAt, median } from '../run/rounds';
import { RunStore } from '../run/store';
import { isLive, runName } from '../runs/filter';
import { runs } from '../runs/store';
import { usePageKeys } from '../shell/keys';
import { Problem, Skeleton } from '../states';
import { tipFor } from '../tip';
import { hoverNode, query, runHref, setQuery } from '../view';
import { gini, nodeFigures, sorted, type NodeFigures, type Sort } from './figures';
import { LiveNodes } from './live';
import { nowOf, online, type Seen } from './now';
import { Scatter } from './scatter';
import { NodeTable, type NodeRow } from './table';

const UNVERIFIED = 'Each node is called as it says: the SuperLink takes any key. With --node-auth a name is its key’s';

/** More rows than anybody reads would only make the page slow. */
const MOST_ROWS = 400;

const SORTS: readonly (readonly [Sort, string])[] = [
  ['name', 'Name'],
  ['train', 'Train'],
  ['loss', 'Loss'],
  ['trained', 'Trained'],
  ['trouble', 'Trouble'],
];

function offersOf(client: FlClient | undefined): string | null {
  const { cpu_count: cpus, memory_gb: memory, bandwidth_mbps: speed } = client?.properties ?? {};
  const parts = [
    cpus !== undefined && `${cpus} CPU`,
    memory !== undefined && `${fixed(1)(Number(memory))} GB`,
    speed !== undefined && `${fixed(0)(Number(speed))} Mb/s`,
  ].filter(Boolean);
  return parts.length ? parts.join(', ') : null;
}

function kindOf(seen: Seen): string | null {
  const kind = seen.client?.kind;
  if (kind && kind !== 'unknown') return kind;
  return seen.run.engine === 'simulation' ? 'simulated' : null;
}

function rowOf(figures: NodeFigures, seen: Seen): NodeRow {
  const { client, silent } = seen;
  const there = online(seen);
  const age = client?.last_seen_seconds ?? null;
  const quiet = silent === undefined ? age : (serverNow() - silent) / 1000;
  return {
    figures,
    now: nowOf(figures, seen),
    online: there,
    silentFor: there === false ? quiet : null,
    kind: kindOf(seen),
    partition: client?.partition ?? null,
    tags: client?.tags ?? [],
    offers: offersOf(client),
    seen: age,
    refused: seen.refused ?? null,
  };
}

function rowsOf(store: RunStore, live: LiveNodes, figures: readonly NodeFigures[]): NodeRow[] {
  const run = store.run.value!;
  const own = server.value.status?.run === run.id ? server.value.status : null;
  return figures.map(one =>
    rowOf(one, {
      run,
      round: store.rounds.value.last,
      status: own,
      client: live.clients.value.get(one.node),
      silent: live.silent.value.get(one.node),
      refused: live.refused.value.get(one.node),
    }),
  );
}

function Kpis({ store, rows }: { store: RunStore; rows: readonly NodeRow[] }) {
  const table = store.rounds.value;
  const told = rows.filter(row => row.online !== null);
  const gone = told.filter(row => !row.online);
  const selected = table.last === null ? null : figureAt(table, 'selected', table.last);
  const replied = table.last === null ? null : figureAt(table, 'participants', table.last);
  const train = median(rows.flatMap(({ figures }) => figures.train ?? []));
  const quiet = gone.length ? `, ${plural(gone.length, 'silent node')}` : '';
  return (
    <section class="panel kpis" aria-label="The nodes together">
      <div>
        <h2>Online</h2>
        <Figure value={told.length ? told.length - gone.length : null} format={String} why="Nobody says who is online: the run has ended, or its nodes are simulated" />{' '}
        <small>
          of {rows.length}
          {quiet}
        </small>
      </div>
      <div>
        <h2>Selected, round {table.last ?? 0}</h2>
        <Figure value={selected} format={String} why="No round was recorded yet" />{' '}
        {replied !== null && <small>{replied} usable updates</small>}
      </div>
      <div>
        <h2>Train time</h2>
        <Figure value={train} format={seconds} why="No node told how long it trained" />{' '}
        <small>median of the nodes</small>
      </div>
      <div>
        <h2>Participation Gini</h2>
        <Figure value={gini(rows.map(row => row.figures.trained))} format={fixed(2)} why="No node has trained yet" />{' '}
        <small>0 is even</small>
      </div>
    </section>
  );
}

function useStores(id: string): [RunStore, LiveNodes] {
  const stores = useMemo((): [RunStore, LiveNodes] => {
    const store = new RunStore(id, 'train_seconds');
    (['samples', 'upload_seconds'] as const).forEach(figure => store.want(figure));
    return [store, new LiveNodes(store.run)];
  }, [id]);
  useEffect(
    () => () => {
      stores.forEach(each => each.close());
      hoverNode.value = null;
    },
    [stores],
  );
  return stores;
}

function Search() {
  const input = useRef<HTMLInputElement>(null);
  usePageKeys({
    '/': event => {
      event.preventDefault();
      input.current!.focus();
    },
  });
  return (
    <label class="field search wide-only">
      <input
        ref={input}
        type="search"
        placeholder="Name, kind or tag"
        aria-label="Search nodes"
        value={query('q') ?? ''}
        onInput={event => setQuery({ q: event.currentTarget.value }, 'replace')}
      />
      <kbd>/</kbd>
    </label>
  );
}

const found = ({ figures, kind, tags }: NodeRow, search: string): boolean =>
  [figures.node, kind, ...tags].some(text => text?.toLowerCase().includes(search));

const Unreadable = ({ store }: { store: RunStore }) => (
  <Problem
    title="The nodes could not be read"
    error={store.error.value!}
    action={
      <button class="button" onClick={() => store.retry()}>
        Try again
      </button>
    }
  >
    Nothing is lost: the collector holds them.
  </Problem>
);

function Nodes({ id }: { id: string }) {
  const [store, live] = useStores(id);
  useServer();
  const run = store.run.value;
  void wall.value; // ages grow
  void store.matrixVersion.value;
  const figures = useMemo(
    () => nodeFigures(store.matrix),
    [store.matrix, store.matrixVersion.value],
  );
  if (!run) return store.error.value ? <Unreadable store={store} /> : <Skeleton rows={10} />;
  document.title = `Nodes of ${runName(run)} · fedsight`;
  const sort = SORTS.find(([key]) => key === query('sort'))?.[0] ?? 'name';
  const all = rowsOf(store, live, sorted(figures, sort));
  const matching = all.filter(row => found(row, (query('q') ?? '').toLowerCase()));
  const shown = matching.slice(0, MOST_ROWS);
  const part = shown.length < all.length ? `${shown.length} of ${all.length}, ` : '';
  return (
    <div class="nodes-page">
      <Kpis store={store} rows={all} />
      <Panel
        title="Nodes"
        sub={
          <>
            {part}run{' '}
            <a class="mono" href={runHref(id)}>
              {id}
            </a>
            , round {store.rounds.value.last ?? 0}
            {live.verified.value === false && (
              <span class="warn" {...tipFor(UNVERIFIED)}>
                , names unverified
              </span>
            )}
          </>
        }
        right={
          <>
            <Search />
            <Choice label="Sort" value={sort} options={SORTS} onChange={key => setQuery({ sort: key === 'name' ? null : key })} />
          </>
        }
      >
        <div class="sideways" tabIndex={0} role="group" aria-label="Table of nodes">
          <NodeTable rows={shown} all={all} rounds={store.matrix.rounds} />
        </div>
      </Panel>
      <Panel title="Share of data, share of updates">
        {figures.some(one => one.dataShare !== null && one.updateShare !== null) ? (
          <Scatter nodes={figures} />
        ) : (
          <p class="muted body">No node has told its samples yet.</p>
        )}
      </Panel>
    </div>
  );
}

/** Of the run that the URL names, else of the newest, a live one first. */
export function NodesPage({ id }: { id: string }) {
  const newest = runs.value.find(isLive) ?? runs.value[0];
  const run = id || newest?.id;
  if (run) return <Nodes key={run} id={run} />;
  return (
    <Problem title="No nodes yet" action={<a class="button" href="#/runs">Runs</a>}>
      The nodes of a run stand here once one has begun.
    </Problem>
  );
}
