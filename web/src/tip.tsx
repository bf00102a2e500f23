// The one floating hint of the page: what a mark stands for, or why a figure is not known.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { width } from './view';

interface Hint {
  x: number;
  y: number;
  content: ComponentChildren;
}

const hint = signal<Hint | null>(null);
const ROOM = 320;

export const showTip = (x: number, y: number, content: ComponentChildren): void =>
  void (hint.value = { x, y, content });
export const hideTip = (): void => void (hint.value = null);

/** Show a text under an element for as long as pointer or focus is on it. */
export function tipFor(text: string) {
  const show = (event: { currentTarget: EventTarget | null }) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    showTip(box.left, box.bottom - 8, text);
  };
  return { onPointerEnter: show, onFocus: show, onPointerLeave: hideTip, onBlur: hideTip };
}

export function Tip() {
  const now = hint.value;
  if (!now) return null;
  const side =
    now.x > width.value - ROOM
      ? { right: `${width.value - now.x + 12}px` }
      : { left: `${now.x + 14}px` };
  const top = `${Math.max(4, Math.min(now.y + 14, innerHeight - 120))}px`;
  return (
    <div class="tip" role="tooltip" style={{ top, ...side }}>
      {now.content}
    </div>
  );
}
