// All rounds of a run in one strip: a bar a round, as tall as it was long.
import { useMemo, useRef } from 'preact/hooks';
import { clock } from '../format';
import { setQuery } from '../view';
import type { RoundTable } from './rounds';
import type { RunStore } from './store';
import { pin, pinned, shownRound, step } from './view';

const MOST_BARS = 600;
const TALL = 28;
const FLOOR = 22;
const BAR = 15;

/** Bars as one path; with many rounds, the longest of each bucket. */
function bars(table: RoundTable): string {
  const { seconds } = table.figures;
  const longest = seconds.reduce<number>((a, b) => Math.max(a, b ?? 0), 0) || 1;
  const bucket = Math.ceil(seconds.length / MOST_BARS);
  let path = '';
  for (let at = 0; at < seconds.length; at += bucket) {
    const part = seconds.slice(at, at + bucket).filter(value => value !== null);
    if (!part.length) continue;
    const top = FLOOR - (Math.max(...part) / longest) * BAR;
    path += `M${at + bucket / 2} ${FLOOR}V${top.toFixed(1)}`;
  }
  return path;
}

function Strip({ table, end, shown }: { table: RoundTable; end: number; shown: number }) {
  const { failures } = table.figures;
  const path = useMemo(() => bars(table), [table]);
  const faults = useMemo(
    () => failures.flatMap((count, at) => (count ? [at] : [])),
    [failures],
  );
  const all = end - table.first + 1;
  const thin = Math.ceil(table.round.length / MOST_BARS) * 0.62;
  return (
    <>
      <svg viewBox={`0 0 ${all} ${TALL}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="bars" d={path} stroke-width={thin} />
        <path class="rail-line" d={`M0 24.5H${all}`} />
        <path class="done-line" d={`M0 24.5H${shown - table.first + 0.5}`} />
        {faults.slice(0, MOST_BARS).map(at => (
          <rect key={at} class="fault" x={at} y="1" width="1" height="3" />
        ))}
      </svg>
      <i class="thumb" style={{ left: `${((shown - table.first + 0.5) / all) * 100}%` }} />
    </>
  );
}

function Slider({ table, end, shown }: { table: RoundTable; end: number; shown: number }) {
  const box = useRef<HTMLDivElement>(null);
  const set = (event: PointerEvent) => {
    const { left, width } = box.current!.getBoundingClientRect();
    const share = (event.clientX - left) / width;
    pin(table.first + Math.floor(share * (end - table.first + 1)), table, 'replace', true);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (by) step(by, table);
    else if (event.key === 'Home') pin(table.first, table, 'replace');
    else if (event.key === 'End') setQuery({ round: null }, 'replace');
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={box}
      class="slider"
      role="slider"
      tabIndex={0}
      aria-label="Round"
      aria-valuemin={table.first}
      aria-valuemax={table.last ?? table.first}
      aria-valuenow={shown}
      onKeyDown={onKeyDown}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId);
        set(event);
      }}
      onPointerMove={event => event.buttons && set(event)}
    >
      <Strip table={table} end={end} shown={shown} />
    </div>
  );
}

export function Scrubber({ store }: { store: RunStore }) {
  const table = store.rounds.value;
  const run = store.run.value!;
  const shown = shownRound(table);
  if (shown === null) return null;
  const live = pinned(table) === null;
  const training = run.state === 'training';
  const end = Math.max(table.last!, run.rounds ?? 0);
  const started = table.started[shown - table.first];
  return (
    <div class="scrubber">
      <span class="steps wide-only">
        <button class="button ghost" aria-label="Previous round" onClick={() => step(-1, table)}>
          <kbd>[</kbd>
        </button>
        <button class="button ghost" aria-label="Next round" onClick={() => step(1, table)}>
          <kbd>]</kbd>
        </button>
      </span>
      <span class="where">
        Round {shown}
        {started && <span class="faint wide-only">, {clock(Date.parse(started)).slice(0, 5)}</span>}
      </span>
      <Slider table={table} end={end} shown={shown} />
      <span class="faint wide-only">{end}</span>
      <button class="button" aria-pressed={live} onClick={() => setQuery({ round: null })}>
        {live ? (
          <>
            <span class={`dot ${training ? 'pulse' : ''}`} />
            {training ? 'Live' : 'Newest'}
          </>
        ) : (
          <>
            {training ? 'Go live' : 'Newest'}
            <kbd class="wide-only">L</kbd>
          </>
        )}
      </button>
    </div>
  );
}
