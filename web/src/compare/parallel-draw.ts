// Draws parallel coordinates: one line a run, from axis to axis. Pure but for the canvas.
import { cut, faded, fit } from '../chart/paint';
import { token } from '../view';
import { placeOn, type Axis, type Brush } from './axes';
import type { Mark } from './plot';

export const TOP = 40;
/** Below the axes: where runs without a figure pass. */
export const BOTTOM = 30;
const SIDE = 56;

export interface Picture {
  axes: readonly Axis[];
  brushes: ReadonlyMap<string, Brush>;
  /** Whether each run passes every brush. */
  passes: readonly boolean[];
  marks: ReadonlyMap<number, Mark>;
  hovered: number | null;
}

export const axisX = (at: number, axes: number, width: number): number =>
  axes < 2 ? width / 2 : SIDE + (at / (axes - 1)) * (width - 2 * SIDE);

export const axisY = (place: number | null, height: number): number =>
  place === null ? height - 9 : height - BOTTOM - place * (height - BOTTOM - TOP);

/** The inverse of `axisY`, kept within the axis. */
export const placeAt = (y: number, height: number): number =>
  Math.max(0, Math.min(1, (height - BOTTOM - y) / (height - BOTTOM - TOP)));

function trace(pen: CanvasRenderingContext2D, axes: readonly Axis[], run: number, width: number, height: number): void {
  axes.forEach((one, at) => {
    const [x, y] = [axisX(at, axes.length, width), axisY(placeOn(one, run), height)];
    if (at) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  });
}

function drawAxes(pen: CanvasRenderingContext2D, { axes, brushes }: Picture, width: number, height: number): void {
  const room = axes.length < 2 ? width : (width - 2 * SIDE) / (axes.length - 1) - 10;
  axes.forEach((one, at) => {
    const x = axisX(at, axes.length, width);
    pen.strokeStyle = token('line2');
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, axisY(1, height));
    pen.lineTo(x, axisY(0, height));
    pen.stroke();
    pen.textAlign = 'center';
    pen.fillStyle = token('muted');
    pen.fillText(cut(pen, one.name, room), x, 12);
    pen.fillStyle = token('faint');
    pen.fillText(one.format(one.high), x, 27);
    pen.fillText(one.format(one.low), x, height - BOTTOM + 10);
    const brush = brushes.get(one.key);
    if (!brush) return;
    const [low, high] = brush.map(place => axisY(place, height));
    pen.fillStyle = faded(token('accent'), 0.25);
    pen.fillRect(x - 6, high!, 12, low! - high!);
    pen.strokeStyle = token('accent');
    pen.strokeRect(x - 6, high!, 12, low! - high!);
  });
}

export function draw(canvas: HTMLCanvasElement, width: number, height: number, picture: Picture): void {
  const { axes, passes, marks, hovered } = picture;
  const pen = fit(canvas, width, height);
  const path = (runs: readonly number[], colour: string, line: number, dash: number[] = []) => {
    if (!runs.length) return;
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.setLineDash(dash);
    pen.beginPath();
    runs.forEach(run => trace(pen, axes, run, width, height));
    pen.stroke();
    pen.setLineDash([]);
  };
  const plain = passes.flatMap((_, run) => (marks.has(run) ? [] : [run]));
  path(plain.filter(run => !passes[run]), faded(token('line2'), 0.35), 1);
  path(plain.filter(run => passes[run]), faded(token('faint'), plain.length > 200 ? 0.35 : 0.55), 1);
  drawAxes(pen, picture, width, height);
  for (const [run, mark] of marks) {
    path([run], faded(token(mark.colour), passes[run] ? 1 : 0.3), 1.8, mark.dashed ? [6, 4] : []);
  }
  if (hovered !== null) path([hovered], token('text'), 2);
}
