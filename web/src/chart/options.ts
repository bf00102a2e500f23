// How uPlot draws a chart of rounds.
import uPlot from 'uplot';
import { hoverRound, token } from '../view';
import type { ChartProps, Curve } from './chart';
import { FONT, faded } from './paint';
import { gaps, isolated } from './smooth';
import { niceStep } from './ticks';

type Latest = { current: ChartProps };

const AXIS_WIDTH = 36;
const DRAG_PIXELS = 6;

const step = uPlot.paths.stepped!({ align: 1 });
const lastStep = uPlot.paths.stepped!({ align: 1, extend: true });

/** A step a round; the last is as wide as the axis allows, if that round is known. */
const steps: uPlot.Series.PathBuilder = (plot, series, from, to) =>
  (plot.data[series]!.at(-1) == null ? step : lastStep)(plot, series, from, to);

function curveSeries(curve: Curve): uPlot.Series {
  const colour = faded(token(curve.colour), curve.alpha ?? 1);
  return {
    label: curve.label,
    stroke: colour,
    width: curve.width ?? 1.5,
    dash: curve.dash,
    spanGaps: false,
    paths: curve.stepped ? steps : undefined,
    points: {
      show: true,
      size: 4,
      fill: colour,
      filter: (plot, series) => isolated(plot.data[series] as (number | null)[]),
    },
  };
}

const hidden: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };

function series({ curves, band }: ChartProps): uPlot.Series[] {
  return [{}, ...(band ? [hidden, { ...hidden }] : []), ...curves.map(curveSeries)];
}

function bands({ band }: ChartProps): uPlot.Band[] {
  return band ? [{ series: [1, 2], fill: faded(token(band.colour), 0.15) }] : [];
}

function yRange(latest: Latest): uPlot.Scale.Range {
  return (_plot, low, high) => {
    if (low === null || high === null) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    const floor = latest.current.low;
    // A loss may lie below zero: what was measured is never cut off.
    return [floor === undefined || low < floor ? low - room : floor, latest.current.high ?? high + room];
  };
}

function axes(latest: Latest): uPlot.Axis[] {
  const plain = { stroke: token('faint'), font: FONT, ticks: { show: false } };
  return [
    {
      ...plain,
      size: 20,
      gap: 3,
      space: 40,
      grid: { show: false },
      values: (_plot, values) => values.map(v => (Number.isInteger(v) ? String(v) : '')),
    },
    {
      ...plain,
      size: AXIS_WIDTH,
      gap: 4,
      grid: { stroke: token('line'), width: 1 },
      splits: (_plot, _axis, low, high) => {
        const step = niceStep((high - low) / 3.5);
        const first = Math.ceil(low / step - 1e-9);
        const many = Math.floor(high / step + 1e-9) - first + 1;
        return Array.from({ length: many }, (_, at) => (first + at) * step);
      },
      values: (_plot, values) => {
        const apart = values.length > 1 ? values[1]! - values[0]! : 1;
        return values.map(value => latest.current.tick(value, apart));
      },
    },
  ];
}

/** Hatch what was not recorded: no line is drawn through it. */
function hatch(plot: uPlot, latest: Latest): void {
  const { curves, rounds } = latest.current;
  const { ctx: pen, bbox } = plot;
  pen.save();
  pen.strokeStyle = faded(token('faint'), 0.45);
  pen.lineWidth = devicePixelRatio;
  for (const [before, after] of gaps(curves[curves.length - 1]!.values)) {
    const [from, to] = [rounds[before]!, rounds[after]!].map(x => plot.valToPos(x, 'x', true));
    pen.save();
    pen.beginPath();
    pen.rect(from!, bbox.top, to! - from!, bbox.height);
    pen.clip();
    pen.beginPath();
    for (let x = from! - bbox.height; x < to!; x += 5 * devicePixelRatio) {
      pen.moveTo(x, bbox.top + bbox.height);
      pen.lineTo(x + bbox.height, bbox.top);
    }
    pen.stroke();
    pen.restore();
  }
  pen.restore();
}

function pinLine(plot: uPlot, latest: Latest): void {
  const { pinned } = latest.current;
  if (pinned === null) return;
  const x = plot.valToPos(pinned, 'x', true);
  const { ctx: pen, bbox } = plot;
  if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
  pen.strokeStyle = token('accent');
  pen.lineWidth = devicePixelRatio;
  pen.beginPath();
  pen.moveTo(x, bbox.top);
  pen.lineTo(x, bbox.top + bbox.height);
  pen.stroke();
}

function zoomTo(plot: uPlot, latest: Latest): void {
  const { left, width } = plot.select;
  if (width < DRAG_PIXELS) return;
  const { rounds, onZoom } = latest.current;
  const known = (value: number) =>
    Math.max(rounds[0]!, Math.min(rounds[rounds.length - 1]!, Math.round(value)));
  const [from, to] = [left, left + width].map(x => known(plot.posToVal(x, 'x')));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (to! > from!) onZoom([from!, to!]);
}

function pinHovered(plot: uPlot, latest: Latest): void {
  const at = plot.cursor.idx;
  if (at != null) latest.current.onPin(latest.current.rounds[at]!);
}

function cursor(latest: Latest): uPlot.Cursor {
  const { band, curves } = latest.current;
  const before = band ? 3 : 1;
  return {
    drag: { x: true, y: false, setScale: false, dist: DRAG_PIXELS },
    points: {
      size: 6,
      fill: (_plot, index) => {
        const curve = curves[index - before];
        return curve && (curve.alpha ?? 1) > 0.6 ? token(curve.colour) : 'transparent';
      },
    },
    bind: {
      dblclick: () => () => {
        latest.current.onZoom(null);
        return null;
      },
      mouseleave: (_plot, _target, leave) => event => {
        hoverRound.value = null;
        return leave(event);
      },
    },
  };
}

export function plotOptions(latest: Latest, width: number): uPlot.Options {
  const props = latest.current;
  return {
    width: Math.max(60, width),
    height: props.height,
    pxAlign: 0,
    padding: [7, 12, 0, 0],
    legend: { show: false },
    series: series(props),
    bands: bands(props),
    scales: { x: { time: false, auto: false }, y: { range: yRange(latest) } },
    axes: axes(latest),
    cursor: cursor(latest),
    hooks: {
      init: [plot => plot.over.addEventListener('click', () => pinHovered(plot, latest))],
      drawClear: [plot => hatch(plot, latest)],
      draw: [plot => pinLine(plot, latest)],
      setSelect: [plot => zoomTo(plot, latest)],
      setCursor: [
        plot => {
          const at = plot.cursor.idx;
          if (!plot.over.matches(':hover')) return;
          hoverRound.value = at == null ? null : (latest.current.rounds[at] ?? null);
        },
      ],
    },
  };
}
