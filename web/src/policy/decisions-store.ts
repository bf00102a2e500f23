// Decisions of the policy service: the newest by cursor as they are made, older ones as one scrolls.
import { signal } from '@preact/signals';
import { ApiError } from '../data/api';
import { serverNow } from '../data/collector';
import type { Decision, DecisionPage } from './contract';
import { ask } from './service';
import { askedFor, type Filters } from './words';

const LOOK_MS = 2000;
const PAGE = 200;
/** So many new ones are asked for at once. */
const NEW = 500;

export interface Held {
  /** Newest first. */
  rows: Decision[];
  total: number;
  /** The last one that the service has, whether or not it fits. */
  last: number;
  /** The first that the service keeps. */
  oldest: number | null;
  /** Whether there are no older ones that fit. */
  whole: boolean;
}

export class DecisionStore {
  readonly held = signal<Held | null>(null);
  readonly error = signal<ApiError | null>(null);
  /** The one that the URL names, where it is not among the rows; undefined where it is not kept. */
  readonly single = signal<Decision | null | undefined>(null);

  private timer = 0;
  private closed = false;
  private turn = 0;
  private busy = false;

  constructor(private readonly filters: Filters) {
    void this.first();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  retry(): void {
    this.error.value = null;
    void this.first();
  }

  private page(query: Record<string, string | number>): Promise<DecisionPage> {
    return ask<DecisionPage>('api/v1/decisions', { ...askedFor(this.filters, serverNow()), ...query });
  }

  private async first(): Promise<void> {
    await this.guarded(async () => {
      const { decisions, total, last_decision_id: last, oldest_decision_id: oldest, more } = await this.page({ limit: PAGE });
      this.held.value = { rows: decisions, total, last, oldest, whole: !more };
    });
    this.plan();
  }

  private plan(): void {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = window.setTimeout(() => void this.next(), document.hidden ? 4 * LOOK_MS : LOOK_MS);
  }

  private async next(): Promise<void> {
    const before = this.held.peek();
    if (!before) return this.first();
    await this.guarded(async () => {
      const found = await this.page({ since_decision_id: before.last, limit: NEW });
      if (found.last_decision_id < before.last) return this.anew(); // another data directory
      const fresh = found.decisions.reverse();
      const whole = !found.more;
      const held = this.held.peek()!;
      this.held.value = {
        ...held,
        rows: fresh.length ? [...fresh, ...held.rows] : held.rows,
        total: held.total + fresh.length,
        last: whole ? found.last_decision_id : fresh[0]!.decision_id,
        oldest: found.oldest_decision_id,
      };
    });
    this.plan();
  }

  private async anew(): Promise<void> {
    this.held.value = null;
    await this.first();
  }

  /** Fetch older ones. */
  async more(): Promise<void> {
    const held = this.held.peek();
    if (!held || held.whole || this.busy) return;
    this.busy = true;
    await this.guarded(async () => {
      const last = held.rows.at(-1)!.decision_id;
      const { decisions, more } = await this.page({ before_decision_id: last, limit: PAGE });
      const now = this.held.peek()!;
      this.held.value = { ...now, rows: [...now.rows, ...decisions], whole: !more };
    });
    this.busy = false;
  }

  /** Fetch one by its number, whatever the filters say. */
  async find(id: number): Promise<void> {
    const turn = ++this.turn;
    this.single.value = null;
    await this.guarded(async () => {
      const { decisions } = await ask<DecisionPage>('api/v1/decisions', { since_decision_id: id - 1, limit: 1 });
      if (turn === this.turn) this.single.value = decisions[0]?.decision_id === id ? decisions[0] : undefined;
    });
  }

  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.error.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.unreachable) this.error.value = error;
    }
  }
}
