// Runs side by side: their curves, what they were told and came to, and where they stand among all.
import '../chart/shared';
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { ApiError } from '../data/api';
import { digits } from '../chart/ticks';
import type { Run } from '../data/contract';
import { byteScale, fixed, percent, plural, three, timeScale } from '../format';
import { lazy } from '../lazy';
import { Choice, Glyph, Panel } from '../parts';
import type { Range } from '../route';
import type { RoundFigure, RoundTable } from '../run/rounds';
import { runName } from '../runs/filter';
import { retryRuns, runs as allRuns, runsError, total } from '../runs/store';
import { usePageKeys } from '../shell/keys';
import { Problem, Skeleton } from '../states';
import { phone, query, runHref, setQuery } from '../view';
import { chosen, markOf, MOST, toggle } from './chosen';
import { aligned, pointsOf, smoothed, valueBefore, X_AXES, type XAxis } from './curves';
import { hoverPlace, Plot, type Mark } from './plot';
import { CompareStore } from './store';
import { Swatch } from './swatch';
import { SettingsTable } from './table';

const Parallel = lazy(() => import('./parallel').then(part => part.Parallel));
import('./parallel').catch(() => undefined); // it comes while the runs are read

const HEIGHT = 190;
const SMOOTHING = [
  ['0', 'Off'],
  ['0.6', '0.6'],
  ['0.9', '0.9'],
] as const;

const oneOf = <Key extends string>(options: readonly (readonly [Key, string])[], text?: string) =>
  options.find(([key]) => key === text)?.[0] ?? options[0]![0];

interface Compared {
  run: Run;
  table: RoundTable;
  mark: Mark;
}

interface FigureProps {
  title: string;
  unit: string;
  figure: RoundFigure;
  compared: readonly Compared[];
  /** Whether rounds of some runs are still to come. */
  reading: boolean;
  axis: XAxis;
  weight: number;
  zoom: Range | null;
  onZoom: (range: Range | null) => void;
  format: (value: number) => string;
  tick: (value: number, step: number) => string;
  high?: number;
}

/** The unit in which an axis reads best, and its ticks. */
interface AxisWords {
  unit: string;
  tick: (value: number) => string;
  /** Where the pointer is. */
  at: (place: number) => string;
}

function axisWords(axis: XAxis, last: number): AxisWords {
  if (axis === 'round') {
    const tick = (value: number) => (Number.isInteger(value) ? String(value) : '');
    return { unit: 'by round', tick, at: place => `round ${Math.floor(place)}` };
  }
  const { unit, per } = axis === 'time' ? timeScale(last) : byteScale(last);
  const what = axis === 'time' ? 'by wall time' : 'by bytes sent';
  const tick = (value: number) => String(+(value / per).toPrecision(3));
  return { unit: `${what}, ${unit}`, tick, at: place => `${three(place / per)} ${unit}` };
}

function CurvesPanel(props: FigureProps) {
  const { title, unit, figure, compared, axis, weight, zoom, format } = props;
  const points = useMemo(
    () => compared.map(({ run, table }) => pointsOf(run, table, figure, axis)),
    [compared, figure, axis],
  );
  const raw = useMemo(() => aligned(points), [points]);
  const data = useMemo(
    () => (weight ? aligned(points.map(each => smoothed(each, weight))) : raw),
    [points, raw, weight],
  );
  const words = axisWords(axis, raw.x.at(-1) ?? 0);
  const place = hoverPlace.value;
  return (
    <Panel
      title={title}
      sub={[unit, words.unit].filter(Boolean).join(', ')}
      right={
        place !== null && (
          <span class="row wide-only read-out">
            {raw.x.length > 0 && <span class="faint">{words.at(place)}</span>}
            {points.map((each, at) => {
              const value = valueBefore(each, place);
              return value === null ? null : (
                <span key={at} class="row tight">
                  <Swatch mark={compared[at]!.mark} /> {format(value)}
                </span>
              );
            })}
          </span>
        )
      }
    >
      {raw.x.length ? (
        <Plot
          label={`${title} of ${plural(compared.length, 'run')} ${words.unit}`}
          data={data}
          raw={weight ? raw : null}
          marks={compared.map(({ mark }) => mark)}
          height={phone.value ? 150 : HEIGHT}
          low={0}
          high={props.high}
          tickX={words.tick}
          tick={props.tick}
          zoom={zoom}
          onZoom={props.onZoom}
        />
      ) : (
        <p class="body muted">
          {props.reading ? 'The rounds are being read.' : 'No round of these runs has this figure on this axis yet.'}
        </p>
      )}
    </Panel>
  );
}

const Legend = ({ runs, marks }: { runs: readonly Run[]; marks: readonly Mark[] }) => (
  <ul class="legend">
    {runs.map((run, at) => (
      <li key={run.id} class="row tight">
        <Swatch mark={marks[at]!} />
        <a class="mono ellipsis" href={runHref(run.id)} title={run.id}>
          {run.id}
        </a>
        <span class="muted ellipsis">{runName(run)}</span>
        {at === 0 && <span class="tag">baseline</span>}
        <button class="button ghost" aria-label={`Take ${run.id} out`} title="Take out" onClick={() => toggle(run.id)}>
          <Glyph name="cross" />
        </button>
      </li>
    ))}
  </ul>
);

interface ControlsProps {
  axis: XAxis;
  weight: string;
  zoom: { value: Range | null };
}

const Controls = ({ axis, weight, zoom }: ControlsProps) => (
  <div class="row compare-controls">
    {zoom.value && (
      <button class="button" onClick={() => (zoom.value = null)}>
        Whole range
      </button>
    )}
    <span class="row">
      <span class="faint">By</span>
      <Choice label="x axis" value={axis} options={X_AXES} onChange={key => setQuery({ x: key === 'round' ? null : key })} />
    </span>
    <span class="row">
      <span class="faint">Smooth</span>
      <Choice
        label="Smoothing"
        value={oneOf(SMOOTHING, weight)}
        options={SMOOTHING}
        onChange={key => setQuery({ smooth: key === '0' ? null : key })}
      />
    </span>
  </div>
);

function Curves({ runs, marks, store }: { runs: readonly Run[]; marks: readonly Mark[]; store: CompareStore }) {
  const axis = oneOf(X_AXES, query('x'));
  const weight = oneOf(SMOOTHING, query('smooth'));
  const zoom = useSignal<Range | null>(null);
  useEffect(() => void (zoom.value = null), [axis]);
  const tables = store.tables.value;
  const key = runs.map(run => run.id).join();
  const compared = useMemo(
    () =>
      runs.flatMap((run, at) => {
        const table = tables.get(run.id);
        return table ? [{ run, table, mark: marks[at]! }] : [];
      }),
    [tables, key],
  );
  const reading = compared.length < runs.length;
  const shared = { compared, reading, axis, weight: Number(weight), zoom: zoom.value, onZoom: (range: Range | null) => (zoom.value = range) };
  const share = (value: number) => fixed(0)(100 * value);
  const plain = (value: number, step: number) => fixed(digits(step))(value);
  return (
    <>
      <div class="row compare-head">
        <Legend runs={runs} marks={marks} />
        <span class="grow" />
        <Controls axis={axis} weight={weight} zoom={zoom} />
      </div>
      <div class="compare-curves">
        <CurvesPanel {...shared} title="Accuracy" unit="%" figure="accuracy" high={1} format={percent} tick={share} />
        <CurvesPanel {...shared} title="Loss" unit="" figure="loss" format={three} tick={plain} />
      </div>
    </>
  );
}

const Pick = () => (
  <p class="banner mild">
    <Glyph name="diamond" tone="accent" />
    {allRuns.value.length ? (
      <span>
        Pick runs to compare: in the <a href="#/runs">list of runs</a> with <kbd>x</kbd>, then <kbd>c</kbd>; or click
        their lines below.
      </span>
    ) : (
      <span>
        There are no runs to compare yet. The <a href="#/runs">list of runs</a> says how to make one.
      </span>
    )}
  </p>
);

const Note = ({ children }: { children: ComponentChildren }) => (
  <p class="banner mild" role="status">
    <Glyph name="triangle" tone="warn" /> <span>{children}</span>
  </p>
);

interface UnreadProps {
  what: string;
  error: ApiError;
  retry: () => void;
}

const Unread = ({ what, error, retry }: UnreadProps) => (
  <Problem
    title={`The ${what} could not be read`}
    error={error}
    action={
      <button class="button" onClick={retry}>
        Try again
      </button>
    }
  >
    Nothing is lost: the collector holds them.
  </Problem>
);

/** The picked runs that are known, with the marks of their places in the order of picking. */
function picked(): { runs: Run[]; marks: Mark[]; missing: string[] } {
  const known = new Map(allRuns.value.map(run => [run.id, run]));
  const ids = [...new Set(chosen())];
  const there = ids.flatMap((id, at) => (known.has(id) ? [[known.get(id)!, markOf(at)] as const] : []));
  return {
    runs: there.map(([run]) => run),
    marks: there.map(([, mark]) => mark),
    missing: ids.filter(id => !known.has(id)),
  };
}

export function ComparePage() {
  document.title = 'Compare · fedsight';
  const store = useMemo(() => new CompareStore(), []);
  useEffect(() => () => store.close(), [store]);
  const { runs, marks, missing } = picked();
  const key = runs.map(run => run.id).join();
  useEffect(() => store.want(runs.map(run => run.id)), [store, key]);
  usePageKeys({ Escape: () => history.back() });
  const complete = total.value !== null && total.value <= allRuns.value.length;
  const drawn = useSignal(false);
  const ready = complete && drawn.value && runs.every(run => store.tables.value.has(run.id));
  useEffect(() => {
    if (ready) requestAnimationFrame(() => performance.mark('compare-usable'));
  }, [ready]);
  const tasks = new Set(runs.map(run => run.task));
  const pool = useMemo(
    () => allRuns.value.filter(run => !tasks.size || tasks.has(run.task)),
    [allRuns.value, [...tasks].join()],
  );
  if (total.value === null && !runsError.value) return <Skeleton rows={8} />;
  if (total.value === null) return <Unread what="runs" error={runsError.value!} retry={retryRuns} />;
  if (store.error.value) return <Unread what="rounds" error={store.error.value} retry={() => store.retry()} />;
  const byId = new Map(runs.map((run, at) => [run.id, marks[at]!]));
  const about = tasks.size === 1 ? `${plural(pool.length, `${[...tasks][0] ?? ''} run`)}` : plural(pool.length, 'run');
  return (
    <div class="compare-page">
      {complete && missing.length > 0 && <Note>There is no run {missing.join(', ')}.</Note>}
      {runs.length === MOST && <Note>These are {MOST} runs, as many as are compared at once. Take one out to pick another.</Note>}
      {runs.length > 0 && <Curves runs={runs} marks={marks} store={store} />}
      {!runs.length && (complete || !missing.length) && <Pick />}
      {runs.length > 0 && <SettingsTable runs={runs} marks={marks} />}
      {allRuns.value.length > 0 && <Parallel runs={pool} marks={byId} onToggle={toggle} onDrawn={() => (drawn.value = true)} about={about} />}
    </div>
  );
}
