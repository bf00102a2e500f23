// Parts of the page that come when they are first needed, and are fetched ahead once it is idle,
// so that they are there even when the collector no longer is. They share a stylesheet of their own.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { comeback, heartbeat } from './data/collector';

const ahead: (() => void)[] = [];
let styles: Promise<unknown> | null = null;

/** The stylesheet of all that is not needed at once. */
function styled(): Promise<unknown> {
  return (styles ??= new Promise((done, fail) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = 'later.css';
    link.onload = done;
    link.onerror = () => {
      styles = null;
      link.remove();
      fail();
    };
    document.head.append(link);
  }));
}

/** A part of the page; `plain` where the first stylesheet has all that it needs. */
export function lazy<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  plain = false,
) {
  const found = signal<{ Component: ComponentType<Props> } | null>(null);
  let asked = false;
  const ask = () => {
    if (asked) return;
    asked = true;
    Promise.all([load(), plain || styled()]).then(
      ([Component]) => (found.value = { Component }),
      () => (asked = false),
    );
  };
  ahead.push(ask);
  return function Lazy(props: Props) {
    if (!found.value) {
      void comeback.value, heartbeat.value; // tried again when the collector answers
      ask();
      return null;
    }
    const { Component } = found.value;
    return <Component {...props} />;
  };
}

/** Fetch what has not been needed yet. */
export const fetchAhead = (): void => void setTimeout(() => ahead.forEach(ask => ask()), 1500);
