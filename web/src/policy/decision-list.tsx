// The list of decisions: only those in sight are in the page. Their heights are measured as they
// come into sight; until then they are guessed by how many rules speak.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { usePageKeys } from '../shell/keys';
import { phone } from '../view';
import type { Decision } from './contract';
import { DecisionRow } from './decision-row';
import { heightOf, inSight, topsOf } from './sight';
import { reasonsOf } from './words';

const SPARE = 6;

interface ListProps {
  rows: readonly Decision[];
  total: number;
  open: number | null;
  onOpen: (id: number | null) => void;
  onEnd: () => void;
}

const Space = ({ height }: { height: number }) => <div role="presentation" style={{ height: `${height}px` }} />;

/** Keys of the list: j and k move, Enter opens and closes, / searches. */
function useListKeys(count: number, at: { value: number }, toggle: (at: number) => void, show: (at: number) => void): void {
  const move = (step: number) => {
    at.value = Math.max(0, Math.min(count - 1, at.value + step));
    show(at.value);
  };
  usePageKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: event => {
      if (event.target instanceof Element && event.target.matches('a, button, input, select')) return;
      if (at.value < count) toggle(Math.max(0, at.value));
    },
    '/': event => {
      event.preventDefault();
      document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    },
  });
}

export function DecisionList({ rows, total, open, onOpen, onEnd }: ListProps) {
  const box = useRef<HTMLDivElement>(null);
  const measured = useRef(new Map<number, number>());
  const version = useSignal(0);
  const seen = useSignal(600);
  const top = useSignal(0);
  const cursor = useSignal(-1);
  const first = useRef<number | null>(null);
  const narrow = phone.value;
  const tops = useMemo(
    () => topsOf(rows.map(one => measured.current.get(one.decision_id) ?? heightOf(reasonsOf(one).length, narrow))),
    [rows, version.value, narrow],
  );
  const [from, to] = inSight(tops, top.value, seen.value, SPARE);

  const show = (at: number) => {
    const view = box.current!;
    if (tops[at]! < view.scrollTop) view.scrollTop = tops[at]!;
    const end = tops[at + 1]!;
    if (end > view.scrollTop + view.clientHeight) view.scrollTop = end - view.clientHeight;
  };
  const toggle = (at: number) => {
    const id = rows[at]!.decision_id;
    cursor.value = at;
    onOpen(id === open ? null : id);
  };
  useListKeys(rows.length, cursor, toggle, show);

  useEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => (seen.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What is new on top must not move what is being read.
  useLayoutEffect(() => {
    const added = first.current === null ? 0 : rows.findIndex(one => one.decision_id === first.current);
    first.current = rows[0]?.decision_id ?? null;
    if (added <= 0) return;
    if (cursor.value >= 0) cursor.value += added;
    const view = box.current!;
    if (view.scrollTop > 4) view.scrollTop += tops[added]!;
  }, [rows]);

  useLayoutEffect(() => {
    let changed = false;
    for (const element of box.current!.querySelectorAll<HTMLElement>('article')) {
      const [id, height] = [Number(element.dataset.decision), element.offsetHeight];
      if (measured.current.get(id) === height) continue;
      measured.current.set(id, height);
      changed = true;
    }
    if (changed) version.value++;
  });

  useEffect(() => {
    if (to > rows.length - 30) onEnd();
  }, [to, rows.length]);

  return (
    <div
      ref={box}
      class="decision-list"
      role="feed"
      tabIndex={0}
      aria-label="Decisions, newest first"
      aria-busy="false"
      onScroll={event => (top.value = event.currentTarget.scrollTop)}
    >
      <Space height={tops[from]!} />
      {rows.slice(from, to).map((one, offset) => (
        <DecisionRow
          key={one.decision_id}
          one={one}
          place={from + offset + 1}
          total={total}
          current={cursor.value === from + offset}
          open={one.decision_id === open}
          onToggle={() => toggle(from + offset)}
        />
      ))}
      <Space height={tops.at(-1)! - tops[to]!} />
    </div>
  );
}
