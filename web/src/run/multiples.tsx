// Five curves of one run over the same rounds.
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { Chart, type Band, type ChartProps, type Curve } from '../chart/chart';
import { smooth } from '../chart/smooth';
import { digits } from '../chart/ticks';
import { byteScale, fixed, percent, three, timeScale, type Scale } from '../format';
import { Figure } from '../parts';
import { hoverRound, phone } from '../view';
import { envelope } from './matrix';
import { payload, type Line, type RoundTable } from './rounds';
import type { RunStore } from './store';
import { pin, pinned, setZoom, shownRound, smoothing, zoom } from './view';

const HEIGHT = 118;
const HEIGHT_PHONE = 104;

interface CellProps {
  title: string;
  unit?: string;
  line: Line;
  format: (value: number) => string;
  why: string;
  table: RoundTable;
  /** Whether a band shows the clients' own figures behind the curve. */
  banded?: boolean;
  children: ComponentChildren;
}

/** A curve under its name and the figure of the round that is hovered, pinned or newest. */
function Cell({ title, unit, line, format, why, table, banded, children }: CellProps) {
  const round = hoverRound.value ?? shownRound(table);
  const value = round === null ? null : line[round - table.first];
  const reason = round === null ? 'No round was recorded yet' : `${why} in round ${round}`;
  return (
    <section class="cell" data-figure={title}>
      <header>
        <h2>{title}</h2>
        {banded && (
          <small class="band-note" title="Lowest to highest of the clients, on their own training data">
            band: clients
          </small>
        )}
        <span class="grow" />
        <b>
          <Figure value={value} format={format} unit={unit} why={reason} />
        </b>
      </header>
      {children}
    </section>
  );
}

const plain = (value: number, step: number) => fixed(digits(step))(value);
const largest = (line: Line) => line.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);
const scaled = (line: Line, { per }: Scale): Line =>
  line.map(value => (value === null ? null : value / per));

/** The raw line at 40 % under the smoothed one, or the raw line alone. */
function curvesOf(label: string, values: Line, colour: string, weight: number): Curve[] {
  if (!weight) return [{ label, values, colour, width: 1.7 }];
  return [
    { label: `${label}, raw`, values, colour, width: 1, alpha: 0.4 },
    { label: `${label}, smoothed`, values: smooth(values, weight), colour, width: 1.7 },
  ];
}

function useBand(store: RunStore, figure: 'train_accuracy' | 'train_loss', colour: string) {
  const { first, round } = store.rounds.value;
  const version = store.matrixVersion.value;
  return useMemo((): Band | null => {
    const found = envelope(store.matrix, figure, first, round.length);
    return found?.low.some(value => value !== null) ? { ...found, colour } : null;
  }, [version, first, round, colour]);
}

export function Multiples({ store }: { store: RunStore }) {
  const table = store.rounds.value;
  const weight = Number(smoothing());
  const { accuracy, loss, participants, selected, seconds } = table.figures;
  const accuracyCurves = useMemo(() => curvesOf('accuracy', accuracy, 's1', weight), [accuracy, weight]);
  const lossCurves = useMemo(() => curvesOf('loss', loss, 's2', weight), [loss, weight]);
  const accuracyBand = useBand(store, 'train_accuracy', 's1');
  const lossBand = useBand(store, 'train_loss', 's2');
  const sent = useMemo(() => payload(table), [table]);
  const byte = byteScale(largest(sent));
  const time = timeScale(largest(seconds));
  const sentScaled = useMemo(() => scaled(sent, byte), [sent, byte.unit]);
  const timeScaled = useMemo(() => scaled(seconds, time), [seconds, time.unit]);
  const round = hoverRound.value ?? shownRound(table);
  const asked = round === null ? null : selected[round - table.first];

  const shared: Omit<ChartProps, 'label' | 'curves'> = {
    rounds: table.round,
    height: phone.value ? HEIGHT_PHONE : HEIGHT,
    tick: plain,
    low: 0,
    zoom: zoom(table),
    pinned: pinned(table),
    onPin: at => pin(at, table, 'push'),
    onZoom: setZoom,
  };
  const chart = (label: string, curves: Curve[], more: Partial<ChartProps> = {}) => (
    <Chart {...shared} label={label} curves={curves} {...more} />
  );
  const stepped = (label: string, values: Line, colour: string): Curve => ({
    label,
    values,
    colour,
    stepped: true,
  });
  const cell = { table };
  return (
    <div class="multiples">
      <Cell
        {...cell}
        title="Accuracy"
        unit="%"
        line={accuracy}
        format={percent}
        why="Not evaluated"
        banded={accuracyBand !== null}
      >
        {chart('Accuracy by round', accuracyCurves, {
          band: accuracyBand,
          high: 1,
          tick: value => fixed(0)(100 * value),
        })}
      </Cell>
      <Cell
        {...cell}
        title="Loss"
        line={loss}
        format={fixed(3)}
        why="Not evaluated"
        banded={lossBand !== null}
      >
        {chart('Loss by round', lossCurves, { band: lossBand })}
      </Cell>
      <Cell
        {...cell}
        title="Participants"
        unit={asked == null ? undefined : `of ${asked}`}
        line={participants}
        format={String}
        why="Not recorded"
      >
        {chart(
          'Participants and selected clients by round',
          [
            { ...stepped('selected', selected, 'faint'), width: 1, dash: [3, 3] },
            stepped('participants', participants, 's3'),
          ],
          { high: Math.max(1, Math.ceil(largest(selected) * 1.15)) },
        )}
      </Cell>
      <Cell {...cell} title="Payload" unit={byte.unit} line={sentScaled} format={three} why="Not counted">
        {chart('Model payload down and up by round', [stepped('payload', sentScaled, 's6')])}
      </Cell>
      <Cell {...cell} title="Round time" unit={time.unit} line={timeScaled} format={three} why="Not timed">
        {chart('Seconds by round', [stepped('round time', timeScaled, 's4')])}
      </Cell>
    </div>
  );
}
