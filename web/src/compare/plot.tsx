// One figure of several runs over a common axis. Hovering moves the cursor of both plots, dragging
// zooms both.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { FONT, faded } from '../chart/paint';
import { niceStep } from '../chart/ticks';
import type { Range } from '../route';
import { shade, token } from '../view';
import { alone, type Aligned } from './curves';

/** The place on the axis that the pointer is at, in any plot. */
export const hoverPlace = signal<number | null>(null);

export interface Mark {
  /** Name of a colour token. */
  colour: string;
  dashed: boolean;
}

interface PlotProps {
  label: string;
  data: Aligned;
  /** The same lines as they were measured, drawn faintly behind smoothed ones. */
  raw: Aligned | null;
  marks: Mark[];
  height: number;
  low?: number;
  high?: number;
  tickX: (value: number) => string;
  tick: (value: number, step: number) => string;
  zoom: Range | null;
  onZoom: (range: Range | null) => void;
}

type Latest = { current: PlotProps };

const DRAG_PIXELS = 6;

function line({ colour, dashed }: Mark, alpha: number, width: number): uPlot.Series {
  const stroke = faded(token(colour), alpha);
  return {
    stroke,
    width,
    dash: dashed ? [6, 4] : undefined,
    spanGaps: false,
    points: {
      show: true,
      size: 4,
      fill: stroke,
      filter: (plot, series) => alone(plot.data[series] as Aligned['lines'][number]),
    },
  };
}

const series = ({ marks, raw }: PlotProps): uPlot.Series[] => [
  {},
  ...(raw ? marks.map(mark => line(mark, 0.4, 1)) : []),
  ...marks.map(mark => line(mark, 1, 1.7)),
];

const dataOf = ({ data, raw }: PlotProps) =>
  [data.x, ...(raw?.lines ?? []), ...data.lines] as uPlot.AlignedData;

function range({ current }: Latest): uPlot.Scale.Range {
  return (_plot, low, high) => {
    if (low === null || high === null) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    const floor = current.low;
    return [floor === undefined || low < floor ? low - room : floor, current.high ?? high + room];
  };
}

function splits(low: number, high: number): number[] {
  const step = niceStep((high - low) / 4);
  const first = Math.ceil(low / step - 1e-9);
  const many = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: many }, (_, at) => (first + at) * step);
}

function axes(latest: Latest): uPlot.Axis[] {
  const plain = { stroke: token('faint'), font: FONT, ticks: { show: false } };
  return [
    {
      ...plain,
      size: 20,
      gap: 3,
      space: 52,
      grid: { show: false },
      values: (_plot, values) => values.map(value => latest.current.tickX(value)),
    },
    {
      ...plain,
      size: (_plot, values) => Math.max(36, 11 + 6.5 * Math.max(0, ...(values ?? []).map(text => text.length))),
      gap: 4,
      grid: { stroke: token('line'), width: 1 },
      splits: (_plot, _axis, low, high) => splits(low, high),
      values: (_plot, values) => {
        const apart = values.length > 1 ? values[1]! - values[0]! : 1;
        return values.map(value => latest.current.tick(value, apart));
      },
    },
  ];
}

function zoomTo(plot: uPlot, latest: Latest): void {
  const { left, width } = plot.select;
  if (width < DRAG_PIXELS) return;
  const [from, to] = [left, left + width].map(x => plot.posToVal(x, 'x'));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  latest.current.onZoom([from!, to!]);
}

function options(latest: Latest, width: number): uPlot.Options {
  return {
    width: Math.max(60, width),
    height: latest.current.height,
    pxAlign: 0,
    padding: [7, 12, 0, 0],
    legend: { show: false },
    series: series(latest.current),
    scales: { x: { time: false, auto: false }, y: { range: range(latest) } },
    axes: axes(latest),
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: DRAG_PIXELS },
      points: { show: false },
      bind: {
        dblclick: () => () => {
          latest.current.onZoom(null);
          return null;
        },
        mouseleave: (_plot, _target, leave) => event => {
          hoverPlace.value = null;
          return leave(event);
        },
      },
    },
    hooks: {
      setSelect: [plot => zoomTo(plot, latest)],
      setCursor: [
        plot => {
          const { left } = plot.cursor;
          if (!plot.over.matches(':hover') || left == null || left < 0) return;
          hoverPlace.value = plot.posToVal(left, 'x');
        },
      ],
    },
  };
}

function followHover(plot: uPlot): () => void {
  return hoverPlace.subscribe(place => {
    if (plot.over.matches(':hover')) return;
    const left = place === null ? -10 : plot.valToPos(place, 'x');
    plot.setCursor({ left, top: place === null ? -10 : 10 }, false);
  });
}

function ends({ data, zoom }: PlotProps): Range {
  const [first, last] = zoom ?? [data.x[0] ?? 0, data.x[data.x.length - 1] ?? 1];
  return first === last ? [first - 1, first + 1] : [first, last];
}

export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const marks = props.marks.map(mark => mark.colour + mark.dashed).join();
  const key = `${shade.value} ${props.height} ${marks} ${props.raw !== null}`;

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(options(latest, element.clientWidth), dataOf(props), element);
    plot.current = made;
    const unfollow = followHover(made);
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width !== made.width) made.setSize({ width, height: props.height });
    });
    observer.observe(element);
    return () => {
      unfollow();
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [key]);

  const [from, to] = ends(props);
  useEffect(() => {
    const made = plot.current!;
    made.batch(() => {
      made.setData(dataOf(props), false);
      made.setScale('x', { min: from, max: to });
    });
  }, [key, props.data, props.raw, from, to]);

  const style = { height: `${props.height}px` };
  return <div ref={box} class="chart" role="img" aria-label={props.label} style={style} />;
}
