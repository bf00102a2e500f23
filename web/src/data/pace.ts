// Keeps live pages calm: however often something changes, work starts at most every `gap`
// milliseconds and never twice at once, and the last change is never lost.

export interface Clock {
  now(): number;
  later(milliseconds: number, then: () => void): void;
}

const wallClock: Clock = {
  now: () => performance.now(),
  later: (milliseconds, then) => void setTimeout(then, milliseconds),
};

/** A function to call on every change. `work` must not reject. */
export function paced(work: () => Promise<void>, gap: number, clock: Clock = wallClock) {
  let wanted = false;
  let busy = false;
  let last = -Infinity;

  async function start(): Promise<void> {
    wanted = false;
    last = clock.now();
    await work();
    busy = false;
    if (wanted) plan();
  }

  function plan(): void {
    busy = true;
    clock.later(Math.max(0, last + gap - clock.now()), () => void start());
  }

  return () => {
    wanted = true;
    if (!busy) plan();
  };
}

/** Seconds to wait before the nth try to reconnect: 0.5, 1, 2, 4, 8, 10, 10... */
export const backOff = (tries: number): number => Math.min(10, 0.5 * 2 ** tries);
