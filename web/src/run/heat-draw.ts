// Paints the client x round heat map. Geometry first, so that pointer and pen agree.
import { cross, cut, fit, pixel, ramp, slash } from '../chart/paint';
import { niceStep } from '../chart/ticks';
import type { Range } from '../route';
import { token } from '../view';
import { TALLEST_ROW } from './waterfall-draw';
import { place, type HeatFigure, type Span } from './heat-figures';
import { FAILED, NOT_SELECTED, NO_REPLY, REJECTED, type ClientMatrix } from './matrix';

const FOOT = 20;
const WIDEST = 64;
const LABEL = 11;

export interface Geometry {
  left: number;
  cellWidth: number;
  cellHeight: number;
  rounds: Range;
  nodes: number;
  width: number;
  height: number;
}

export function geometry(
  width: number,
  height: number,
  left: number,
  rounds: Range,
  nodes: number,
): Geometry {
  const shown = rounds[1] - rounds[0] + 1;
  return {
    left,
    cellWidth: Math.min(WIDEST, (width - left - 8) / shown),
    cellHeight: Math.min(TALLEST_ROW, (height - FOOT) / Math.max(1, nodes)),
    rounds,
    nodes,
    width,
    height,
  };
}

/** Round and node column under a point, or null. */
export function cellAt(at: Geometry, x: number, y: number): { round: number; column: number } | null {
  const round = at.rounds[0] + Math.floor((x - at.left) / at.cellWidth);
  const column = Math.floor(y / at.cellHeight);
  const inside = x >= at.left && round <= at.rounds[1] && column >= 0 && column < at.nodes;
  return inside ? { round, column } : null;
}

/** One pixel a cell, to be enlarged. */
function picture(at: Geometry, matrix: ClientMatrix, figure: HeatFigure, span: Span | null) {
  const [from, to] = at.rounds;
  const width = to - from + 1;
  const image = new ImageData(width, at.nodes);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = ramp();
  const values = matrix.figures.get(figure.key);
  const special = new Map([
    [NOT_SELECTED, pixel(token('surface'))],
    [FAILED, pixel(token('bad-mark'))],
    [NO_REPLY, pixel(token('bad-mark'))],
  ]);
  const [blank, unknown] = [special.get(NOT_SELECTED)!, pixel(token('line2'))];
  for (let x = 0; x < width; x++) {
    const start = matrix.cell(from + x, 0);
    for (let column = 0; column < at.nodes; column++) {
      const value = values?.[start + column] ?? NaN;
      const marked = special.get(matrix.status[start + column] ?? NOT_SELECTED);
      const known = Number.isNaN(value) || !span ? unknown : null;
      const colour = known ?? colours[Math.round(place(value, span!, figure.log) * 255)]!;
      pixels[column * width + x] = from + x < matrix.first ? blank : (marked ?? colour);
    }
  }
  const canvas = new OffscreenCanvas(width, at.nodes);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

function hairlines(pen: CanvasRenderingContext2D, at: Geometry): void {
  const [shown, { cellWidth, cellHeight, left, nodes }] = [at.rounds[1] - at.rounds[0] + 1, at];
  pen.fillStyle = token('surface');
  if (cellWidth >= 4) {
    for (let x = 1; x < shown; x++) pen.fillRect(left + x * cellWidth - 0.5, 0, 1, nodes * cellHeight);
  }
  if (cellHeight >= 5) {
    for (let y = 1; y < nodes; y++) pen.fillRect(left, y * cellHeight - 0.5, shown * cellWidth, 1);
  }
}

/** A cross where no update came back, a stroke where it was not averaged in. */
function marks(pen: CanvasRenderingContext2D, at: Geometry, matrix: ClientMatrix): void {
  const reach = Math.min(5, Math.min(at.cellWidth, at.cellHeight) / 2 - 0.5);
  if (reach < 1.5) return;
  const [onBad, onFigure] = [token('surface'), token('bad-mark')];
  const from = Math.max(at.rounds[0], matrix.first);
  for (let round = from; round <= at.rounds[1]; round++) {
    for (let column = 0; column < at.nodes; column++) {
      const status = matrix.status[matrix.cell(round, column)];
      if (status !== FAILED && status !== NO_REPLY && status !== REJECTED) continue;
      const x = at.left + (round - at.rounds[0] + 0.5) * at.cellWidth;
      const y = (column + 0.5) * at.cellHeight;
      pen.lineWidth = status === REJECTED ? 2 : 1.25;
      pen.strokeStyle = status === REJECTED ? onFigure : onBad;
      if (status === REJECTED) slash(pen, x, y, reach);
      else cross(pen, x, y, reach);
    }
  }
}

function labels(pen: CanvasRenderingContext2D, at: Geometry, nodes: readonly string[]): void {
  pen.textAlign = 'right';
  pen.fillStyle = token('muted');
  const every = Math.ceil(LABEL / at.cellHeight);
  for (let column = every > 1 ? every >> 1 : 0; column < nodes.length; column += every) {
    const y = Math.max(6, (column + 0.5) * at.cellHeight);
    pen.fillText(cut(pen, nodes[column]!, at.left - 9), at.left - 7, y);
  }
  pen.fillStyle = token('faint');
  pen.textAlign = 'center';
  const step = Math.max(1, niceStep(34 / at.cellWidth));
  const below = at.nodes * at.cellHeight + 11;
  for (let round = Math.ceil(at.rounds[0] / step) * step; round <= at.rounds[1]; round += step) {
    const x = at.left + (round - at.rounds[0] + 0.5) * at.cellWidth;
    pen.fillText(String(round), Math.min(x, at.width - 10), below);
  }
}

export function drawHeat(
  canvas: HTMLCanvasElement,
  at: Geometry,
  matrix: ClientMatrix,
  figure: HeatFigure,
  span: Span | null,
): void {
  const pen = fit(canvas, at.width, at.height);
  const shown = at.rounds[1] - at.rounds[0] + 1;
  pen.imageSmoothingEnabled = false;
  const image = picture(at, matrix, figure, span);
  pen.drawImage(image, at.left, 0, shown * at.cellWidth, at.nodes * at.cellHeight);
  hairlines(pen, at);
  marks(pen, at, matrix);
  labels(pen, at, matrix.nodes);
}

export interface Cursor {
  round: number | null;
  column: number | null;
  pinned: number | null;
}

/** The hovered row and column, and the round that is pinned. */
export function drawCursor(canvas: HTMLCanvasElement, at: Geometry, cursor: Cursor): void {
  const pen = fit(canvas, at.width, at.height);
  const bottom = at.nodes * at.cellHeight;
  const x = (round: number) => at.left + (round - at.rounds[0]) * at.cellWidth;
  const shown = (round: number | null): round is number =>
    round !== null && round >= at.rounds[0] && round <= at.rounds[1];
  pen.fillStyle = `${token('text')}24`;
  if (shown(cursor.round)) pen.fillRect(x(cursor.round), 0, Math.max(1, at.cellWidth), bottom);
  if (cursor.column !== null) {
    pen.fillRect(0, cursor.column * at.cellHeight, at.width, Math.max(1, at.cellHeight));
  }
  if (shown(cursor.pinned)) {
    pen.strokeStyle = token('accent');
    pen.lineWidth = 1.5;
    pen.strokeRect(x(cursor.pinned) - 0.5, 0.75, Math.max(2, at.cellWidth) + 1, bottom - 1);
  }
}
