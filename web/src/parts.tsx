// Small parts that every page is made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Run, RunState } from './data/contract';
import { DASH } from './format';
import { tipFor } from './tip';

interface FigureProps {
  value: number | null | undefined;
  format: (value: number) => string;
  unit?: string;
  /** Why the figure is not known. */
  why: string;
}

/** A measured figure, or a dash that says on hover and focus why there is none. */
export function Figure({ value, format, unit, why }: FigureProps) {
  if (value === null || value === undefined) return <Unknown why={why} />;
  return (
    <>
      {format(value)}
      {unit && <small> {unit}</small>}
    </>
  );
}

export const Unknown = ({ why }: { why: string }) => (
  <span class="unknown" tabIndex={0} role="img" aria-label={`unknown: ${why}`} {...tipFor(why)}>
    {DASH}
  </span>
);

interface PanelProps {
  title: ComponentChildren;
  sub?: ComponentChildren;
  right?: ComponentChildren;
  children: ComponentChildren;
}

export const Panel = ({ title, sub, right, children }: PanelProps) => (
  <section class="panel">
    <header>
      <h2>{title}</h2>
      {sub && <span class="sub">{sub}</span>}
      <span class="grow" />
      {right}
    </header>
    {children}
  </section>
);

interface ChoiceProps<Key extends string> {
  label: string;
  value: Key;
  options: readonly (readonly [Key, string])[];
  onChange: (key: Key) => void;
}

export function Choice<Key extends string>({ label, value, options, onChange }: ChoiceProps<Key>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([key, text]) => (
        <button key={key} aria-pressed={key === value} onClick={() => onChange(key)}>
          {text}
        </button>
      ))}
    </div>
  );
}

const GLYPHS = {
  ring: <circle cx="6" cy="6" r="4" class="stroke ring" />,
  dot: <circle cx="6" cy="6" r="3.5" class="filled" />,
  blank: null,
  check: <path d="M2 6.3 4.8 9 10 3.2" class="stroke" />,
  cross: <path d="m3 3 6 6M9 3 3 9" class="stroke" />,
  pause: <path d="M3 2h2v8H3zM7 2h2v8H7z" class="filled" />,
  stop: <rect x="2.5" y="2.5" width="7" height="7" rx="1" class="filled" />,
  play: <path d="M3 1.5 10 6 3 10.5z" class="filled" />,
  again: <path d="M9.5 4A4 4 0 1 0 10 7M10 1.5v3H7" class="stroke" />,
  triangle: <path d="M6 1.5 11 10.5H1z" class="filled" />,
  dashes: <path d="M1.5 6h9" class="stroke dashes" />,
  diamond: <path d="M6 1 11 6 6 11 1 6z" class="filled" />,
} as const;
export type GlyphName = keyof typeof GLYPHS;

export const Glyph = ({ name, tone = '' }: { name: GlyphName; tone?: string }) => (
  <svg viewBox="0 0 12 12" class={`glyph ${tone}`} width="11" height="11" aria-hidden="true">
    {GLYPHS[name]}
  </svg>
);

type Standing = RunState | 'waiting' | 'stalled';

const STATES: Record<Standing, [GlyphName, string, string]> = {
  training: ['ring', 'accent', 'Training'],
  waiting: ['ring', 'warn', 'Waiting'],
  stalled: ['triangle', 'warn', 'Stalled'],
  paused: ['pause', 'muted', 'Paused'],
  silent: ['dashes', 'warn', 'Silent'],
  finished: ['check', 'muted', 'Finished'],
  failed: ['cross', 'bad', 'Failed'],
  stopped: ['stop', 'muted', 'Stopped'],
  interrupted: ['stop', 'muted', 'Interrupted'],
  unknown: ['dashes', 'muted', 'Unknown'],
};

/** A run's state, or what keeps it from going on: shape, then word, then colour. */
export function Status({ run }: { run: Run }) {
  const waits = run.waiting && run.state === 'training';
  const state = run.stalled ? 'stalled' : waits ? 'waiting' : run.state;
  const [glyph, tone, word] = STATES[state];
  return (
    <span class={`status ${tone}`}>
      <Glyph name={glyph} tone={state === 'training' ? 'pulse' : ''} />
      <span class={state === 'finished' ? '' : 'text'}>{word}</span>
    </span>
  );
}

interface SparkProps {
  values: readonly (number | null)[];
  width: number;
  height: number;
  tone: string;
}

/** A line of ratios between 0 and 1, not bridged where a value is missing. */
export function Spark({ values, width, height, tone }: SparkProps) {
  const x = (at: number) => ((at / Math.max(1, values.length - 1)) * (width - 5)).toFixed(1);
  const y = (value: number) => (height - 2 - value * (height - 4)).toFixed(1);
  const line = values.map((value, at) => {
    if (value === null) return '';
    return `${at && values[at - 1] !== null ? 'L' : 'M'}${x(at)} ${y(value)}`;
  });
  const last = values.findLastIndex(value => value !== null);
  return (
    <svg width={width} height={height} class={`spark ${tone}`} aria-hidden="true">
      <path d={line.join('')} />
      {last >= 0 && <circle cx={x(last)} cy={y(values[last]!)} r="1.8" />}
    </svg>
  );
}

export const Meter = ({ ratio, tone }: { ratio: number; tone: string }) => (
  <span class={`meter ${tone}`}>
    <i style={{ width: `${Math.max(0, Math.min(1, ratio)) * 100}%` }} />
  </span>
);

/** True once `milliseconds` have passed: a skeleton that flashes is worse than none. */
export function useLate(milliseconds: number): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds]);
  return late;
}
