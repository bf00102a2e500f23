// The canvas of the heat map: what is drawn on it, what pointer and keys do to it.
import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { hideTip, showTip } from '../tip';
import { hoverNode, hoverRound, phone, shade } from '../view';
import { useWidth } from './box';
import { cellAt, drawCursor, drawHeat, geometry, type Geometry } from './heat-draw';
import type { HeatFigure, Span } from './heat-figures';
import { ASKED, FAILED, NOT_SELECTED, NO_REPLY, REJECTED } from './matrix';
import type { RunStore } from './store';
import { inspect, pinned, shownRound, zoom } from './view';

const LEFT = 74;
const LEFT_PHONE = 66;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export interface HeatCanvasProps {
  store: RunStore;
  height: number;
  figure: HeatFigure;
  span: Span | null;
}

/** What a cell says: its figure, or why it has none. */
function cellText(store: RunStore, figure: HeatFigure, round: number, column: number): string {
  const { matrix } = store;
  const status = matrix.status[matrix.cell(round, column)] ?? NOT_SELECTED;
  const node = matrix.nodes[column]!;
  const row = store.details.peek().get(round)?.clients.find(client => client.node === node);
  const reason = row?.reason ? `: ${row.reason}` : '';
  if (status === NOT_SELECTED) return 'not selected';
  if (status === ASKED) return 'outcome unknown';
  if (status === FAILED) return `failed${reason}`;
  if (status === NO_REPLY) return `no reply${reason}`;
  const value = matrix.figureAt(figure.key, round, column);
  const known = value === null ? `unknown, ${figure.why}` : figure.text(value);
  const said = `${figure.long} ${known}`;
  return status === REJECTED ? `${said}. Update rejected${reason}` : said;
}

/** Whether a cell has a message that is read with its round. */
function troubled({ matrix }: RunStore, round: number, column: number): boolean {
  const status = matrix.status[matrix.cell(round, column)];
  return status === FAILED || status === NO_REPLY || status === REJECTED;
}

const hoveredColumn = ({ matrix }: RunStore): number | null =>
  hoverNode.value === null ? null : matrix.column(hoverNode.value);

function leave(): void {
  hoverRound.value = hoverNode.value = null;
  hideTip();
}

/** Point at a cell, and say what it holds. */
function pointAt(event: PointerEvent, at: Geometry, { store, figure }: HeatCanvasProps): void {
  const cell = cellUnder(event, at);
  if (!cell) return leave();
  const node = store.matrix.nodes[cell.column]!;
  hoverRound.value = cell.round;
  hoverNode.value = node;
  if (troubled(store, cell.round, cell.column)) store.detail(cell.round);
  showTip(
    event.clientX,
    event.clientY,
    <>
      <b>{node}</b> <span class="faint">round {cell.round}</span>
      <br />
      {cellText(store, figure, cell.round, cell.column)}
    </>,
  );
}

function cellUnder(event: MouseEvent, at: Geometry) {
  const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
  return cellAt(at, event.clientX - left, event.clientY - top);
}

function onKey(event: KeyboardEvent, at: Geometry, store: RunStore): void {
  const step = ARROWS[event.key];
  if (!step && event.key !== 'Enter') return;
  event.preventDefault();
  const clamp = (round: number) => Math.max(at.rounds[0], Math.min(at.rounds[1], round));
  const round = clamp(hoverRound.value ?? shownRound(store.rounds.value) ?? at.rounds[1]);
  if (!step) return inspect(round);
  const column = hoveredColumn(store);
  const next = column === null ? 0 : Math.max(0, Math.min(at.nodes - 1, column + step[1]));
  hoverRound.value = clamp(round + step[0]);
  hoverNode.value = store.matrix.nodes[next] ?? null;
  if (troubled(store, hoverRound.value, next)) store.detail(hoverRound.value);
}

/** The cell under the keys in words, for who cannot see it. */
function Spoken({ store, figure }: HeatCanvasProps) {
  const [round, column] = [hoverRound.value, hoveredColumn(store)];
  void store.details.value; // a message may arrive after the cell was reached
  const told = round !== null && column !== null;
  return (
    <div class="unseen" aria-live="polite" data-cell>
      {told && `${hoverNode.value}, round ${round}: ${cellText(store, figure, round, column)}`}
    </div>
  );
}

export function HeatCanvas(props: HeatCanvasProps) {
  const { store, figure, span, height } = props;
  const box = useRef<HTMLDivElement>(null);
  const under = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const wide = useWidth(box);
  const table = store.rounds.value;
  const [from, to] = zoom(table) ?? [table.first, table.last ?? table.first];
  const left = phone.value ? LEFT_PHONE : LEFT;
  const at = geometry(wide, height, left, [from, to], store.matrix.nodes.length);
  const pin = pinned(table);

  useEffect(() => {
    if (!wide) return;
    drawHeat(under.current!, at, store.matrix, figure, span);
    performance.mark('heat-drawn');
  }, [wide, height, from, to, store.matrixVersion.value, figure, span, shade.value]);
  const point = () => {
    const cursor = { round: hoverRound.value, column: hoveredColumn(store), pinned: pin };
    if (wide) drawCursor(over.current!, at, cursor);
  };
  useSignalEffect(point);
  useEffect(point, [wide, height, from, to, pin, shade.value]);

  return (
    <>
      <div
        ref={box}
        class="canvas-box heat"
        style={{ height: `${height}px` }}
        tabIndex={0}
        role="application"
        aria-roledescription="heat map"
        aria-label={`${figure.long} of ${at.nodes} clients over rounds ${from} to ${to}. Arrow keys move, Enter opens the round.`}
        onPointerMove={event => pointAt(event, at, props)}
        onPointerLeave={leave}
        onBlur={leave}
        onClick={event => {
          const cell = cellUnder(event, at);
          if (cell) inspect(cell.round);
        }}
        onKeyDown={event => onKey(event, at, store)}
      >
        <canvas ref={under} />
        <canvas ref={over} class="over" />
      </div>
      <Spoken {...props} />
    </>
  );
}
