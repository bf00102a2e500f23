// The live line and, running ahead of it, the median of the forecast with its interval. Pointing
// reads the figures of a time.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { FONT, faded } from '../chart/paint';
import { gaps } from '../chart/smooth';
import { digits, niceStep } from '../chart/ticks';
import { clock, fixed } from '../format';
import { shade, token } from '../view';
import type { Fan } from './fan-data';

interface FanProps {
  label: string;
  fan: Fan;
  height: number;
  /** Unix seconds, on the collector's clock. */
  now: number;
}

type Latest = { current: FanProps };

/** The row that the pointer is at. */
export const hoverRow = signal<number | null>(null);

const BAND = 0.2;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

const dataOf = ({ fan }: FanProps): uPlot.AlignedData => [fan.x, fan.high, fan.low, fan.median, fan.observed];

const hidden: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };

const line = (colour: string, dash?: number[]): uPlot.Series => ({
  stroke: token(colour),
  width: 1.6,
  dash,
  spanGaps: false,
  points: { show: false },
});

function timeSplits(low: number, high: number, room: number): number[] {
  const least = (high - low) / Math.max(2, room / 80);
  const step = STEPS.find(each => each >= least) ?? 86_400;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, at) => (first + at) * step);
}

function axes(): uPlot.Axis[] {
  const plain = { stroke: token('faint'), font: FONT, ticks: { show: false } };
  return [
    {
      ...plain,
      size: 20,
      gap: 3,
      grid: { show: false },
      splits: (plot, _axis, low, high) => timeSplits(low, high, plot.bbox.width / devicePixelRatio),
      values: (_plot, values) => {
        const whole = values.every(value => value % 60 === 0);
        return values.map(value => clock(value * 1000).slice(0, whole ? 5 : 8));
      },
    },
    {
      ...plain,
      size: 42,
      gap: 4,
      grid: { stroke: token('line'), width: 1 },
      splits: (_plot, _axis, low, high) => {
        const step = niceStep((high - low) / 4);
        const first = Math.ceil(low / step - 1e-9);
        const many = Math.floor(high / step + 1e-9) - first + 1;
        return Array.from({ length: many }, (_, at) => (first + at) * step);
      },
      values: (_plot, values) => {
        const apart = values.length > 1 ? values[1]! - values[0]! : 1;
        return values.map(fixed(digits(apart)));
      },
    },
  ];
}

/** Hatch what was not measured. */
function hatch(plot: uPlot, { current }: Latest): void {
  const { ctx: pen, bbox } = plot;
  for (const [before, after] of gaps(current.fan.observed)) {
    const [from, to] = [before, after].map(at => plot.valToPos(current.fan.x[at]!, 'x', true));
    pen.save();
    pen.strokeStyle = faded(token('faint'), 0.45);
    pen.lineWidth = devicePixelRatio;
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
}

/** Where the clock is: what lies behind it was foreseen, and its rows have not come yet. */
function nowLine(plot: uPlot, { current }: Latest): void {
  const x = plot.valToPos(current.now, 'x', true);
  const { ctx: pen, bbox } = plot;
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  pen.save();
  pen.strokeStyle = pen.fillStyle = token('faint');
  pen.lineWidth = devicePixelRatio;
  pen.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  pen.beginPath();
  pen.moveTo(x, bbox.top);
  pen.lineTo(x, bbox.top + bbox.height);
  pen.stroke();
  pen.font = FONT.replace(/^[\d.]+/, size => String(Number(size) * devicePixelRatio));
  pen.textAlign = 'right';
  pen.textBaseline = 'top';
  pen.fillText('now', x - 5 * devicePixelRatio, bbox.top + 2 * devicePixelRatio);
  pen.restore();
}

function options(latest: Latest, width: number): uPlot.Options {
  return {
    width: Math.max(60, width),
    height: latest.current.height,
    pxAlign: 0,
    padding: [7, 12, 0, 0],
    legend: { show: false },
    series: [{}, hidden, { ...hidden }, line('s2', [5, 4]), line('s1')],
    bands: [{ series: [1, 2], fill: faded(token('s2'), BAND) }],
    scales: {
      x: { time: false },
      y: {
        range: (_plot, low, high) => {
          if (low === null || high === null) return [0, 1];
          const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
          return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
        },
      },
    },
    axes: axes(),
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 5, fill: (_plot, at) => (at > 2 ? token(at === 3 ? 's2' : 's1') : 'transparent') },
    },
    hooks: {
      drawClear: [plot => hatch(plot, latest)],
      draw: [plot => nowLine(plot, latest)],
      setCursor: [plot => (hoverRow.value = plot.over.matches(':hover') ? (plot.cursor.idx ?? null) : null)],
    },
  };
}

export function FanChart(props: FanProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const key = `${shade.value} ${props.height}`;

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(options(latest, element.clientWidth), dataOf(props), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width !== made.width) made.setSize({ width, height: props.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
      hoverRow.value = null;
    };
  }, [key]);

  useEffect(() => plot.current!.setData(dataOf(props)), [key, props.fan]);
  useEffect(() => plot.current!.redraw(false, false), [props.now]);

  const style = { height: `${props.height}px` };
  return <div ref={box} class="chart" role="img" aria-label={props.label} style={style} />;
}
