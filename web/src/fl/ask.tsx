// A question before something is done, or an answer why it cannot be; and a command to type.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface AskProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  /** The button that does it; without one there is only something to read. */
  go?: [string, () => void];
  danger?: boolean;
}

export function Ask({ title, children, onClose, go, danger }: AskProps) {
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => box.current!.showModal(), []);
  return (
    <dialog ref={box} class="ask" aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
      <div class="row">
        <span class="grow" />
        <button class="button" autofocus onClick={onClose}>
          {go ? 'Cancel' : 'Close'}
        </button>
        {go && (
          <button class={`button ${danger ? 'danger' : ''}`} onClick={go[1]}>
            {go[0]}
          </button>
        )}
      </div>
    </dialog>
  );
}

/** A command to type, with a button that copies it where the browser allows. */
export function Command({ text }: { text: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    copied.value = true;
  };
  return (
    <div class="command">
      <span class="faint">$</span>
      <b class="grow">{text}</b>
      {window.isSecureContext && (
        <button class="button" onClick={() => void copy()}>
          {copied.value ? 'Copied' : 'Copy'}
        </button>
      )}
    </div>
  );
}
