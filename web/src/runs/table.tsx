// The list of runs: only the rows in sight are in the page, so ten thousand runs scroll as ten.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Run } from '../data/contract';
import { usePageKeys } from '../shell/keys';
import { chosen, compare, toggle } from '../compare/chosen';
import { goRun, phone } from '../view';
import type { Item } from './filter';
import { RunRow, RunRowPhone } from './row';

const ROW = 34;
const ROW_PHONE = 64;
const GROUP = 34;
const SPARE = 6;

const HEADS: [string, string][] = [
  ['State', ''],
  ['Run', ''],
  ['Task and strategy', ''],
  ['Round', ''],
  ['Accuracy, %', ''],
  ['Loss', 'right'],
  ['Duration', 'right'],
  ['Payload', 'right'],
  ['Note', ''],
  ['Started', 'right'],
];

const Heads = () => (
  <div role="row" class="run-row head" aria-rowindex={1}>
    {HEADS.map(([text, side]) => (
      <span key={text} role="columnheader" class={side}>
        {text}
      </span>
    ))}
  </div>
);

const Group = ({ name, size, index }: { name: string; size: number; index: number }) => (
  <div role="row" class="run-group" aria-rowindex={index}>
    <span role="gridcell">
      {name} <span class="faint">{size}</span>
    </span>
  </div>
);

const Space = ({ height }: { height: number }) => (
  <div role="presentation" style={{ height: `${height}px` }} />
);

/** Where each row begins, and where the last one ends. */
function offsets(items: readonly Item[], height: number): number[] {
  let at = 0;
  return [0, ...items.map(item => (at += 'run' in item ? height : GROUP))];
}

/** First row to draw and the one after the last, with some to spare on both sides. */
function inSight(tops: readonly number[], top: number, height: number): [number, number] {
  const first = Math.max(0, tops.findLastIndex(at => at <= top));
  const after = tops.findIndex(at => at > top + height);
  const end = tops.length - 1;
  return [Math.max(0, first - SPARE), Math.min(end, (after < 0 ? end : after) + SPARE)];
}

interface Keyed {
  box: { current: HTMLDivElement | null };
  runs: Run[];
  tops: number[];
  items: Item[];
  cursor: Signal<number>;
  height: number;
}

/** Keys of the list: j and k move, Enter opens, x picks, c compares what is picked, / searches. */
function useListKeys({ box, runs, tops, items, cursor, height }: Keyed): void {
  const move = (step: number) => {
    cursor.value = Math.max(0, Math.min(runs.length - 1, cursor.value + step));
    const from = tops[items.findIndex(item => 'run' in item && item.at === cursor.value)] ?? 0;
    const view = box.current!;
    if (from < view.scrollTop) view.scrollTop = from;
    const end = from + 2 * height; // the heading stays above the rows
    if (end > view.scrollTop + view.clientHeight) view.scrollTop = end - view.clientHeight;
  };
  const current = () => runs[Math.min(cursor.value, runs.length - 1)];
  usePageKeys({
    x: () => current() && toggle(current()!.id),
    c: () => chosen().length && compare(),
    j: () => move(1),
    k: () => move(-1),
    Enter: event => {
      if (event.target instanceof Element && event.target.matches('a, button, input')) return;
      if (current()) goRun(current()!.id);
    },
    '/': event => {
      event.preventDefault();
      document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    },
  });
}

interface RowsProps {
  items: Item[];
  first: number;
  last: number;
  cursor: Signal<number>;
}

function Rows({ items, first, last, cursor }: RowsProps) {
  const Row = phone.value ? RunRowPhone : RunRow;
  const rows = items.slice(first, last).map((item, offset) => {
    const index = first + offset + 2;
    if ('group' in item) {
      return <Group key={`group ${item.group}`} name={item.group} size={item.size} index={index} />;
    }
    const current = item.at === cursor.value;
    const pick = () => (cursor.value = item.at);
    return <Row key={item.run.id} run={item.run} index={index} current={current} onPick={pick} />;
  });
  return <>{rows}</>;
}

export function RunTable({ items }: { items: Item[] }) {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSignal(800);
  const top = useSignal(0);
  const cursor = useSignal(0);
  const height = phone.value ? ROW_PHONE : ROW;
  const tops = useMemo(() => offsets(items, height), [items, height]);
  const runs = items.flatMap(item => ('run' in item ? [item.run] : []));
  useListKeys({ box, runs, tops, items, cursor, height });
  useEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => (seen.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const [first, last] = inSight(tops, top.value, seen.value);
  return (
    <div
      ref={box}
      class="run-table"
      role="grid"
      tabIndex={0}
      aria-label="Runs"
      aria-rowcount={items.length + 1}
      onScroll={event => {
        const at = event.currentTarget.scrollTop;
        top.value = at - (at % height);
      }}
    >
      {!phone.value && <Heads />}
      <Space height={tops[first]!} />
      <Rows items={items} first={first} last={last} cursor={cursor} />
      <Space height={tops[items.length]! - tops[last]!} />
    </div>
  );
}
