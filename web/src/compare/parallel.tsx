// Parallel coordinates over all runs of the tasks at hand. Dragging along an axis keeps the runs
// within; a click on a line takes its run into the comparison, or out of it.
import '../chart/shared';
import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Run } from '../data/contract';
import { plural } from '../format';
import { Panel } from '../parts';
import { runName } from '../runs/filter';
import { hideTip, showTip } from '../tip';
import { shade } from '../view';
import { axesOf, fitting, placeOn, within, type Axis, type Brush } from './axes';
import { axisX, axisY, draw, placeAt } from './parallel-draw';
import type { Mark } from './plot';

const HEIGHT = 230;
const GRIP = 14;
const NEAR = 7;
const LEAST_BRUSH = 0.02;
/** Pixels from axis to axis, so that names can be read and lines be clicked. */
const LEAST_GAP = 76;

interface ParallelProps {
  runs: readonly Run[];
  /** Marks of the runs that are compared, by id. */
  marks: ReadonlyMap<string, Mark>;
  onToggle: (id: string) => void;
  /** All runs stand in the picture. */
  onDrawn: () => void;
  about: string;
}

/** How far a point is from a run's line, in pixels. */
function distance(axes: readonly Axis[], run: number, x: number, y: number, width: number): number {
  const xs = axes.map((_, at) => axisX(at, axes.length, width));
  const right = xs.findIndex(each => each >= x);
  if (right < 1) return Infinity;
  const [a, b] = [right - 1, right].map(at => axisY(placeOn(axes[at]!, run), HEIGHT));
  const [from, to] = [xs[right - 1]!, xs[right]!];
  const slope = (b! - a!) / (to - from);
  return Math.abs(y - (a! + slope * (x - from))) / Math.hypot(1, slope);
}

function nearest(axes: readonly Axis[], passes: readonly boolean[], x: number, y: number, width: number) {
  let [found, least] = [null as number | null, NEAR];
  passes.forEach((pass, run) => {
    const away = pass ? distance(axes, run, x, y, width) : Infinity;
    if (away < least) [found, least] = [run, away];
  });
  return found;
}

export function Parallel({ runs, marks, onToggle, onDrawn, about }: ParallelProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const brushes = useSignal<ReadonlyMap<string, Brush>>(new Map());
  const hovered = useSignal<number | null>(null);
  const drag = useRef<{ axis: Axis; from: number } | null>(null);
  const all = useMemo(() => axesOf(runs), [runs]);
  const most = Math.max(3, Math.floor(width.value / LEAST_GAP));
  const axes = useMemo(() => fitting(all, most), [all, most]);
  const passes = useMemo(() => within(axes, brushes.value, runs.length), [axes, brushes.value, runs]);
  const chosen = useMemo(
    () => new Map(runs.flatMap((run, at) => (marks.has(run.id) ? [[at, marks.get(run.id)!] as const] : []))),
    [runs, marks],
  );

  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(() => (width.value = box.current?.clientWidth ?? 0));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [axes.length > 0]);
  useEffect(() => {
    if (!canvas.current || !width.value) return;
    const picture = { axes, brushes: brushes.value, passes, marks: chosen, hovered: hovered.value };
    draw(canvas.current, width.value, HEIGHT, picture);
    onDrawn();
  }, [axes, passes, chosen, width.value, hovered.value, shade.value]);

  const place = (event: PointerEvent) => {
    const area = canvas.current!.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top] as const;
  };
  const axisNear = (x: number) =>
    axes.find((_, at) => Math.abs(axisX(at, axes.length, width.value) - x) <= GRIP);
  const setBrush = (axis: Axis, from: number, to: number) => {
    const next = new Map(brushes.value);
    const [low, high] = from < to ? [from, to] : [to, from];
    if (high - low < LEAST_BRUSH) next.delete(axis.key);
    else next.set(axis.key, [low, high]);
    brushes.value = next;
  };
  const down = (event: PointerEvent) => {
    const [x, y] = place(event);
    const axis = axisNear(x);
    if (!axis) {
      // A finger has not pointed at anything before it touches.
      const run = nearest(axes, passes, x, y, width.value);
      if (run !== null) onToggle(runs[run]!.id);
      return;
    }
    canvas.current!.setPointerCapture(event.pointerId);
    drag.current = { axis, from: placeAt(y, HEIGHT) };
    setBrush(axis, 0, 0);
  };
  const move = (event: PointerEvent) => {
    const [x, y] = place(event);
    if (drag.current) return setBrush(drag.current.axis, drag.current.from, placeAt(y, HEIGHT));
    hovered.value = axisNear(x) ? null : nearest(axes, passes, x, y, width.value);
    canvas.current!.classList.toggle('on-axis', axisNear(x) !== undefined);
    if (hovered.value === null) return hideTip();
    const run = runs[hovered.value]!;
    showTip(event.clientX, event.clientY, [<b key="id">{run.id}</b>, ` ${runName(run)}`]);
  };
  const leave = () => {
    hovered.value = null;
    hideTip();
  };
  const kept = passes.filter(Boolean).length;
  return (
    <Panel
      title="Parallel coordinates"
      sub={`${about}; drag along an axis to filter, click a line to compare its run`}
      right={
        brushes.value.size > 0 && (
          <>
            <span class="faint" role="status">
              {kept} of {plural(runs.length, 'run')}
            </span>
            <button class="button" onClick={() => (brushes.value = new Map())}>
              Clear
            </button>
          </>
        )
      }
    >
      {axes.length ? (
        <div ref={box} class="parallel">
          <canvas
            ref={canvas}
            role="img"
            aria-label={`Parallel coordinates of ${runs.length} runs over ${axes.map(one => one.name).join(', ')}; the list of runs has the same figures`}
            onPointerDown={down}
            onPointerMove={move}
            onPointerUp={() => (drag.current = null)}
            onPointerCancel={() => (drag.current = null)}
            onPointerLeave={leave}
          />
        </div>
      ) : (
        <p class="body muted">Axes appear once two runs differ in a figure.</p>
      )}
    </Panel>
  );
}
