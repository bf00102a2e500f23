// Clients x rounds: one figure of every client in every round, on a canvas.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { Choice, Panel } from '../parts';
import { hideTip, showTip } from '../tip';
import { hoverNode, hoverRound, phone, setQuery, shade, width } from '../view';
import { cellAt, drawCursor, drawHeat, geometry } from './heat-draw';
import { figureOf, HEAT_FIGURES, spread, type HeatFigure, type Span } from './heat-figures';
import { FAILED, NOT_SELECTED, NO_REPLY, REJECTED, type Figure } from './matrix';
import type { RunStore } from './store';
import { heatFigure, inspect, inspecting, pinned, shownRound, zoom } from './view';

const LEFT = 74;
const LEFT_PHONE = 66;

/** Width of an element, kept up as it changes. */
export function useWidth(box: { current: HTMLElement | null }): number {
  const [size, setSize] = useState(0);
  useEffect(() => {
    const read = () => setSize(box.current?.clientWidth ?? 0);
    const observer = new ResizeObserver(read);
    observer.observe(box.current!);
    read();
    return () => observer.disconnect();
  }, []);
  return size;
}

/** What a cell says: its figure, or why it has none. */
function cellText(store: RunStore, figure: HeatFigure, round: number, column: number): string {
  const { matrix } = store;
  const status = matrix.status[matrix.cell(round, column)] ?? NOT_SELECTED;
  const node = matrix.nodes[column]!;
  const row = store.details.peek().get(round)?.clients.find(client => client.node === node);
  const reason = row?.reason ? `: ${row.reason}` : '';
  if (status === NOT_SELECTED) return 'not selected';
  if (status === FAILED) return `failed${reason}`;
  if (status === NO_REPLY) return `no reply${reason}`;
  const value = matrix.figureAt(figure.key, round, column);
  const said = value === null ? `${figure.long} unknown, ${figure.why}` : `${figure.long} ${figure.text(value)}`;
  return status === REJECTED ? `${said}. Update rejected${reason}` : said;
}

function Pick({ store, value }: { store: RunStore; value: Figure }) {
  const version = store.matrixVersion.value;
  const clients = [...store.details.value.values()].flatMap(({ clients }) => clients);
  const exists = (key: Figure) =>
    store.matrix.knows(key) || clients.some(client => client[key] !== null);
  const found = useMemo(
    () => HEAT_FIGURES.filter(({ key }) => key === value || exists(key)),
    [version, store.details.value, value],
  );
  const onChange = (metric: Figure) => setQuery({ metric }, 'replace');
  if (phone.value || inspecting() || width.value < 1380) {
    return (
      <select
        class="pick"
        aria-label="Figure of the heat map"
        value={value}
        onChange={event => onChange(event.currentTarget.value as Figure)}
      >
        {found.map(({ key, long }) => (
          <option key={key} value={key}>
            {long}
          </option>
        ))}
      </select>
    );
  }
  const options = found.map(({ key, short }) => [key, short] as const);
  return <Choice label="Figure of the heat map" value={value} options={options} onChange={onChange} />;
}

const Legend = ({ figure, span }: { figure: HeatFigure; span: Span | null }) => (
  <div class="legend">
    {span && (
      <span>
        {figure.text(span.low)} <i class="ramp" /> {figure.text(span.high)}
        {figure.log && <span class="faint">log</span>}
      </span>
    )}
    <span>
      <i class="blank" />
      not selected
    </span>
    <span>
      <svg width="9" height="9" viewBox="0 0 9 9" class="mark-bad" aria-hidden="true">
        <rect width="9" height="9" rx="2" />
        <path d="m2 2 5 5M7 2 2 7" />
      </svg>
      failed or no reply
    </span>
    <span>
      <svg width="9" height="9" viewBox="0 0 9 9" class="mark-rejected" aria-hidden="true">
        <rect width="9" height="9" rx="2" />
        <path d="m1.5 7.5 6-6" />
      </svg>
      rejected
    </span>
  </div>
);

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function HeatCanvas({ store, figure, span, height }: HeatProps & { figure: HeatFigure; span: Span | null }) {
  const box = useRef<HTMLDivElement>(null);
  const under = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const wide = useWidth(box);
  const table = store.rounds.value;
  const { matrix } = store;
  const version = store.matrixVersion.value;
  const [from, to] = zoom(table) ?? [table.first, table.last ?? table.first];
  const left = phone.value ? LEFT_PHONE : LEFT;
  const at = geometry(wide, height, left, [from, to], matrix.nodes.length);
  const clamp = (round: number) => Math.max(from, Math.min(to, round));

  useEffect(() => {
    if (!wide) return;
    drawHeat(under.current!, at, matrix, figure, span);
    performance.mark('heat-drawn');
  }, [wide, height, from, to, version, figure, span, shade.value]);
  const pin = pinned(table);
  useSignalEffect(() => {
    const [round, node] = [hoverRound.value, hoverNode.value];
    const column = node === null ? null : matrix.column(node);
    if (wide) drawCursor(over.current!, at, { round, column, pinned: pin });
  });
  useEffect(() => {
    const column = hoverNode.peek() === null ? null : matrix.column(hoverNode.peek()!);
    if (wide) drawCursor(over.current!, at, { round: hoverRound.peek(), column, pinned: pin });
  });

  const leave = () => {
    hoverRound.value = hoverNode.value = null;
    hideTip();
  };
  const find = (event: MouseEvent) => {
    const { left, top } = box.current!.getBoundingClientRect();
    return cellAt(at, event.clientX - left, event.clientY - top);
  };
  const onPointerMove = (event: PointerEvent) => {
    const cell = find(event);
    if (!cell) return leave();
    hoverRound.value = cell.round;
    hoverNode.value = matrix.nodes[cell.column]!;
    const text = cellText(store, figure, cell.round, cell.column);
    if (/^(failed|no reply)$|rejected$/.test(text)) store.detail(cell.round);
    showTip(
      event.clientX,
      event.clientY,
      <>
        <b>{hoverNode.value}</b> <span class="faint">round {cell.round}</span>
        <br />
        {text}
      </>,
    );
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = ARROWS[event.key];
    const round = clamp(hoverRound.value ?? shownRound(table) ?? to);
    if (step) {
      event.preventDefault();
      const column = hoverNode.value === null ? null : matrix.column(hoverNode.value);
      const next = column === null ? 0 : Math.max(0, Math.min(matrix.nodes.length - 1, column + step[1]));
      hoverRound.value = clamp(round + step[0]);
      hoverNode.value = matrix.nodes[next] ?? null;
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      inspect(round);
    }
  };
  const column = hoverNode.value === null ? null : matrix.column(hoverNode.value);
  const spoken =
    hoverRound.value !== null && column !== null
      ? `${hoverNode.value}, round ${hoverRound.value}: ${cellText(store, figure, hoverRound.value, column)}`
      : '';
  return (
    <>
      <div
        ref={box}
        class="canvas-box heat"
        style={{ height: `${height}px` }}
        tabIndex={0}
        role="application"
        aria-roledescription="heat map"
        aria-label={`${figure.long} of ${matrix.nodes.length} clients over rounds ${from} to ${to}. Arrow keys move, Enter opens the round.`}
        onPointerMove={onPointerMove}
        onPointerLeave={leave}
        onBlur={leave}
        onClick={event => {
          const cell = find(event);
          if (cell) inspect(cell.round);
        }}
        onKeyDown={onKeyDown}
      >
        <canvas ref={under} />
        <canvas ref={over} class="over" />
      </div>
      <div class="unseen" aria-live="polite" data-cell>
        {spoken}
      </div>
    </>
  );
}

interface HeatProps {
  store: RunStore;
  height: number;
}

export function Heat({ store, height }: HeatProps) {
  const key = heatFigure();
  const figure = figureOf(key);
  useEffect(() => store.want(key), [store, key]);
  const version = store.matrixVersion.value;
  const span = useMemo(() => {
    const values = store.matrix.figures.get(key);
    return values ? spread(values) : null;
  }, [version, key]);
  const { matrix } = store;
  const empty = store.loaded.value && !matrix.rounds;
  return (
    <Panel
      title="Clients × rounds"
      sub={`${matrix.nodes.length} × ${matrix.rounds}`}
      right={<Pick store={store} value={key} />}
    >
      <div class="body">
        {empty ? (
          <div class="canvas-empty" style={{ height: `${height}px` }}>
            It fills with the first round.
          </div>
        ) : (
          <HeatCanvas store={store} height={height} figure={figure} span={span} />
        )}
        <Legend figure={figure} span={span} />
      </div>
    </Panel>
  );
}
