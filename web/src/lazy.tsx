// Parts of the page that come when they are first needed, and are fetched ahead once it is idle,
// so that they are there even when the collector no longer is. They share a stylesheet; one may have
// a second one.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { comeback, heartbeat } from './data/collector';

const ahead: (() => void)[] = [];
const styles: Record<string, Promise<unknown>> = {};

/** A stylesheet that is not needed at once. */
function styled(name: string): Promise<unknown> {
  return (styles[name] ??= new Promise((done, fail) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = name;
    link.onload = done;
    link.onerror = () => {
      delete styles[name];
      link.remove();
      fail();
    };
    document.head.append(link);
  }));
}

/** A part of the page; `plain` where the first stylesheet has all that it needs, `own` names one
 *  that it needs besides that of all later parts. */
export function lazy<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  plain = false,
  own = '',
) {
  const found = signal<{ Component: ComponentType<Props> } | null>(null);
  let asked = false;
  const ask = () => {
    if (asked) return;
    asked = true;
    Promise.all([load(), plain || styled('later.css'), own && styled(own)]).then(
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
