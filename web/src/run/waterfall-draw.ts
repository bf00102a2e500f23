// Paints one round as a waterfall: a row a client, the server's lane below.
import { cut, cross, fit, slash, triangle } from '../chart/paint';
import { digits, ticks } from '../chart/ticks';
import type { ClientStatus } from '../data/contract';
import { timeScale } from '../format';
import { token } from '../view';
import { shortCause } from './straggler';
import type { Bar, Row, Waterfall } from './waterfall-rows';

export const HEAD = 20;
export const LANE = 20;
export const TALLEST_ROW = 40;
const THICKEST_BAR = 18;
const ROOM_FOR_CAUSE = 400;

export const PHASE_COLOUR: Record<Bar['phase'], string> = {
  queued: 'ph-queued',
  download: 'ph-down',
  train: 'ph-train',
  upload: 'ph-up',
  aggregate: 'ph-agg',
  evaluate: 's3',
};

export interface Frame {
  width: number;
  height: number;
  left: number;
  /** Width of the cause column. */
  gutter: number;
  rowHeight: number;
  scroll: number;
  /** Seconds to pixels. */
  x: (seconds: number) => number;
}

export const rowHeight = (height: number, rows: number): number =>
  Math.max(16, Math.min(TALLEST_ROW, Math.floor((height - HEAD - LANE - 18) / Math.max(1, rows))));

/** Height at which `rows` are as tall as they get. */
export const fullHeight = (rows: number): number => rows * TALLEST_ROW + HEAD + LANE + 18;

export function frame(
  fall: Waterfall,
  width: number,
  height: number,
  left: number,
  scroll: number,
): Frame {
  const slow = fall.judgement.causes.size > 0;
  const causes = [...fall.judgement.causes.values()];
  const explained = causes.some(cause => cause.samples !== null || cause.processor !== null);
  const gutter = !slow ? 8 : width <= ROOM_FOR_CAUSE ? 84 : explained && width > 560 ? 176 : 92;
  const span = width - left - gutter - 8;
  const per = span / (fall.end || 1);
  return {
    width,
    height,
    left,
    gutter,
    rowHeight: rowHeight(height, fall.rows.length),
    scroll,
    x: seconds => left + seconds * per,
  };
}

type Pen = CanvasRenderingContext2D;

function drawAxis(pen: Pen, at: Frame, fall: Waterfall): void {
  const { unit, per } = timeScale(fall.end);
  const end = fall.end / per;
  const marks = ticks(0, end, Math.max(2, Math.floor((at.x(fall.end) - at.left) / 70)));
  const apart = marks.length > 1 ? marks[1]! - marks[0]! : 1;
  pen.textAlign = 'center';
  for (const mark of marks) {
    const x = at.x(mark * per);
    pen.fillStyle = token('line');
    pen.fillRect(x, HEAD, 1, at.height - HEAD);
    pen.fillStyle = token('faint');
    if (mark) pen.fillText(`${mark.toFixed(digits(apart))} ${unit}`, x, 8);
  }
  if (at.gutter < 80) return;
  pen.textAlign = 'left';
  pen.fillStyle = token('faint');
  pen.fillText('cause', at.width - at.gutter + 6, 8);
}

function drawBars(pen: Pen, at: Frame, bars: readonly Bar[], top: number, thick: number): void {
  for (const { phase, offset, seconds, ok } of bars) {
    pen.fillStyle = token(ok ? PHASE_COLOUR[phase] : 'bad-mark');
    const from = at.x(offset);
    pen.fillRect(from, top, Math.max(0.75, at.x(offset + seconds) - from - 0.75), thick);
  }
}

const MESSAGES: Record<ClientStatus, [string, string]> = {
  trained: ['', 'muted'],
  failed: ['failed', 'bad'],
  no_reply: ['no reply', 'bad'],
  rejected: ['rejected', 'warn'],
};

const UNKNOWN: [string, string] = ['outcome unknown', 'muted'];

/** Why a row counts for nothing, behind its mark. */
function drawMessage(pen: Pen, at: Frame, row: Row, y: number): void {
  const [word, tone] = row.status === null ? UNKNOWN : MESSAGES[row.status];
  if (!word) return;
  const text = row.reason ? `${word}: ${row.reason}` : word;
  const end = row.finish === null ? at.left : at.x(row.finish);
  const room = at.width - end - 24;
  const from = room > 120 ? end : at.left;
  pen.strokeStyle = pen.fillStyle = token(tone);
  pen.lineWidth = 1.5;
  if (row.status === 'rejected') slash(pen, from + 11, y, 3.5);
  else if (row.status !== null) cross(pen, from + 11, y, 3.5);
  pen.textAlign = 'left';
  const shown = cut(pen, text, at.width - from - 24);
  if (from === at.left && row.finish !== null) {
    pen.fillStyle = `${token('surface')}d0`;
    pen.fillRect(from + 17, y - 7, pen.measureText(shown).width + 6, 14);
    pen.fillStyle = token(tone);
  }
  pen.fillText(shown, from + 20, y);
}

function drawRow(pen: Pen, at: Frame, row: Row, top: number, lit: boolean): void {
  const middle = top + at.rowHeight / 2;
  const thick = Math.min(THICKEST_BAR, at.rowHeight - (at.rowHeight > 20 ? 8 : 6));
  if (lit) {
    pen.fillStyle = `${token('text')}14`;
    pen.fillRect(0, top, at.width, at.rowHeight);
  }
  const back = row.status === 'trained' || row.status === 'rejected';
  pen.textAlign = 'right';
  pen.fillStyle = token(row.cause ? 'warn' : back ? 'muted' : 'faint');
  pen.fillText(cut(pen, row.node, at.left - 9), at.left - 7, middle);
  drawBars(pen, at, row.bars, middle - thick / 2, thick);
  drawMessage(pen, at, row, middle);
  if (row.cause && row.status === 'trained') {
    pen.fillStyle = token('warn-mark');
    triangle(pen, at.width - at.gutter + 10, middle);
    pen.fillStyle = token('warn');
    pen.textAlign = 'left';
    pen.fillText(cut(pen, shortCause(row.cause), at.gutter - 22), at.width - at.gutter + 19, middle);
  }
}

/** Median and threshold lie on this axis only where nobody waited in a queue. */
function drawThresholds(pen: Pen, at: Frame, fall: Waterfall): void {
  const { median, threshold } = fall.judgement;
  if (fall.queued || median === null || threshold === null) return;
  const bottom = Math.min(at.height - LANE - 16, HEAD + fall.rows.length * at.rowHeight);
  pen.setLineDash([3, 3]);
  pen.strokeStyle = token('muted');
  pen.lineWidth = 1;
  pen.fillStyle = token('faint');
  for (const [value, name] of [[median, 'median'], [threshold, 'median + 3 MAD']] as const) {
    if (value > fall.end) continue;
    const x = at.x(value);
    pen.beginPath();
    pen.moveTo(x, HEAD);
    pen.lineTo(x, bottom);
    pen.stroke();
    const right = name !== 'median' && x + 90 < at.width;
    pen.textAlign = right ? 'left' : 'right';
    pen.fillText(name, x + (right ? 4 : -4), bottom + 8);
  }
  pen.setLineDash([]);
}

function drawServer(pen: Pen, at: Frame, fall: Waterfall): void {
  const top = at.height - LANE;
  const middle = top + LANE / 2 + 1;
  pen.fillStyle = token('surface');
  pen.fillRect(0, top, at.width, LANE);
  pen.fillStyle = token('line');
  pen.fillRect(0, top, at.width, 1);
  pen.textAlign = 'right';
  pen.fillStyle = token('muted');
  pen.fillText('server', at.left - 7, middle);
  const starts = fall.server.map(bar => bar.offset);
  const last = fall.rows[0];
  if (last?.finish != null) {
    pen.textAlign = 'left';
    pen.fillStyle = token('faint');
    const room = at.x(Math.min(...starts, last.finish)) - at.left - 16;
    if (room > 50) pen.fillText(cut(pen, `waits for ${last.node}`, room), at.left + 6, middle);
  }
  drawBars(pen, at, fall.server, top + 5, LANE - 9);
}

export function drawWaterfall(
  canvas: HTMLCanvasElement,
  at: Frame,
  fall: Waterfall,
  lit: string | null,
): void {
  const pen = fit(canvas, at.width, at.height);
  drawAxis(pen, at, fall);
  const seen = at.height - HEAD - LANE;
  pen.save();
  pen.beginPath();
  pen.rect(0, HEAD, at.width, seen);
  pen.clip();
  const first = Math.floor(at.scroll / at.rowHeight);
  const last = Math.min(fall.rows.length, Math.ceil((at.scroll + seen) / at.rowHeight));
  for (let index = first; index < last; index++) {
    const row = fall.rows[index]!;
    drawRow(pen, at, row, HEAD + index * at.rowHeight - at.scroll, row.node === lit);
  }
  pen.restore();
  drawThresholds(pen, at, fall);
  drawServer(pen, at, fall);
}
