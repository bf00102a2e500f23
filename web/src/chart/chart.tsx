// One chart over the rounds of a run. Hovering moves the cursor of all, dragging zooms all, a
// click pins the round. The plot is made once and given new figures as they come.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Line } from '../run/rounds';
import type { Range } from '../route';
import { hoverRound, shade } from '../view';
import { plotOptions } from './options';

export interface Curve {
  label: string;
  values: Line;
  /** Name of a colour token. */
  colour: string;
  width?: number;
  alpha?: number;
  dash?: number[];
  stepped?: boolean;
}

export interface Band {
  low: Line;
  high: Line;
  colour: string;
}

export interface ChartProps {
  label: string;
  rounds: number[];
  curves: Curve[];
  band?: Band | null;
  height: number;
  tick: (value: number, step: number) => string;
  /** Ends of the y axis that do not follow the figures. */
  low?: number;
  high?: number;
  zoom: Range | null;
  pinned: number | null;
  onPin: (round: number) => void;
  onZoom: (range: Range | null) => void;
}

const shape = ({ curves, band }: ChartProps) =>
  curves.map(curve => `${curve.label}${curve.alpha}${curve.dash}`).join() + Boolean(band);

const dataOf = ({ rounds, curves, band }: ChartProps): uPlot.AlignedData => [
  rounds,
  ...(band ? [band.high, band.low] : []),
  ...curves.map(curve => curve.values),
];

/** Ends of the x axis: room for the last step, and around a single round. */
export function ends({ rounds, zoom }: Pick<ChartProps, 'rounds' | 'zoom'>): Range {
  const [first, last] = zoom ?? [rounds[0] ?? 0, rounds[rounds.length - 1] ?? 1];
  return first === last ? [first - 1, first + 1] : [first, last + 0.5];
}

/** Follow the round that is hovered anywhere else. */
function followHover(plot: uPlot): () => void {
  return hoverRound.subscribe(round => {
    if (plot.over.matches(':hover')) return;
    const left = round === null ? -10 : plot.valToPos(round, 'x');
    plot.setCursor({ left, top: round === null ? -10 : 10 }, false);
  });
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const key = `${shade.value} ${props.height} ${shape(props)}`;

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(plotOptions(latest, element.clientWidth), dataOf(props), element);
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
  }, [key, props.rounds, props.band, ...props.curves.map(curve => curve.values), from, to]);

  useEffect(() => plot.current!.redraw(false, false), [props.pinned]);

  return (
    <div
      ref={box}
      class="chart"
      role="img"
      aria-label={props.label}
      style={{ height: `${props.height}px` }}
    />
  );
}
