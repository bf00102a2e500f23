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

interface MultipleProps {
  store: RunStore;
  /** What all five charts share: rounds, zoom, pin. */
  shared: Omit<ChartProps, 'label' | 'curves'>;
}

const share = (value: number) => fixed(0)(100 * value);

function Accuracy({ store, shared }: MultipleProps) {
  const table = store.rounds.value;
  const line = table.figures.accuracy;
  const weight = Number(smoothing());
  const curves = useMemo(() => curvesOf('accuracy', line, 's1', weight), [line, weight]);
  const band = useBand(store, 'train_accuracy', 's1');
  const told = { title: 'Accuracy', unit: '%', format: percent, why: 'Not measured' };
  return (
    <Cell {...told} line={line} table={table} banded={band !== null}>
      <Chart {...shared} label="Accuracy by round" curves={curves} band={band} high={1} tick={share} />
    </Cell>
  );
}

function Loss({ store, shared }: MultipleProps) {
  const table = store.rounds.value;
  const line = table.figures.loss;
  const weight = Number(smoothing());
  const curves = useMemo(() => curvesOf('loss', line, 's2', weight), [line, weight]);
  const band = useBand(store, 'train_loss', 's2');
  const told = { title: 'Loss', format: fixed(3), why: 'Not evaluated' };
  return (
    <Cell {...told} line={line} table={table} banded={band !== null}>
      <Chart {...shared} label="Loss by round" curves={curves} band={band} />
    </Cell>
  );
}

function Participants({ store, shared }: MultipleProps) {
  const table = store.rounds.value;
  const { participants, selected } = table.figures;
  const round = hoverRound.value ?? shownRound(table);
  const asked = round === null ? null : selected[round - table.first];
  const curves: Curve[] = [
    { label: 'selected', values: selected, colour: 'faint', width: 1, dash: [3, 3], stepped: true },
    { label: 'participants', values: participants, colour: 's3', stepped: true },
  ];
  const told = {
    title: 'Participants',
    unit: asked == null ? undefined : `of ${asked}`,
    format: String,
    why: 'Not recorded',
  };
  const label = 'Participants and selected clients by round';
  const high = Math.max(1, Math.ceil(largest(selected) * 1.15));
  return (
    <Cell {...told} line={participants} table={table}>
      <Chart {...shared} label={label} curves={curves} high={high} />
    </Cell>
  );
}

interface ScaledProps extends MultipleProps {
  title: string;
  label: string;
  line: Line;
  scale: Scale;
  colour: string;
  why: string;
}

/** A stepped curve in the unit that suits its largest value. */
function Scaled({ store, shared, title, label, line, scale, colour, why }: ScaledProps) {
  const values = useMemo(() => scaled(line, scale), [line, scale.unit]);
  const told = { title, unit: scale.unit, format: three, why, line: values };
  return (
    <Cell {...told} table={store.rounds.value}>
      <Chart {...shared} label={label} curves={[{ label: title, values, colour, stepped: true }]} />
    </Cell>
  );
}

export function Multiples({ store }: { store: RunStore }) {
  const table = store.rounds.value;
  const sent = useMemo(() => payload(table), [table]);
  const { seconds } = table.figures;
  const shared: MultipleProps['shared'] = {
    rounds: table.round,
    height: phone.value ? HEIGHT_PHONE : HEIGHT,
    tick: plain,
    low: 0,
    zoom: zoom(table),
    pinned: pinned(table),
    onPin: at => pin(at, table, 'push'),
    onZoom: setZoom,
  };
  const both = { store, shared };
  return (
    <div class="multiples">
      <Accuracy {...both} />
      <Loss {...both} />
      <Participants {...both} />
      <Scaled
        {...both}
        title="Payload"
        label="Model payload down and up by round"
        line={sent}
        scale={byteScale(largest(sent))}
        colour="s6"
        why="Not counted"
      />
      <Scaled
        {...both}
        title="Round time"
        label="Duration of each round"
        line={seconds}
        scale={timeScale(largest(seconds))}
        colour="s4"
        why="Not timed"
      />
    </div>
  );
}
