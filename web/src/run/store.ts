// One run as the page holds it: read once, then kept up with what is new.
import { signal } from '@preact/signals';
import {
  ApiError,
  getClientColumns,
  getRoundClients,
  getRoundEvents,
  getRounds,
  getRoundSpans,
  getRun,
} from '../data/api';
import { comeback, heartbeat, suspect } from '../data/collector';
import type { ColumnsAnswer } from '../data/columns';
import type { Client, Event, Round, Run, Span } from '../data/contract';
import { anew, onChange } from '../data/live';
import { paced } from '../data/pace';
import { ClientMatrix, type Figure } from './matrix';
import { mergeRounds, noRounds, type RoundTable } from './rounds';

const LIVE_GAP_MS = 250;
const ROUNDS_KEPT = 64;
/** What the curves' bands need, besides the figure that the heat map shows. */
const BAND_FIGURES: readonly Figure[] = ['train_accuracy', 'train_loss'];

export interface RoundDetail {
  clients: Client[];
  spans: Span[];
  events: Event[];
}

export class RunStore {
  readonly run = signal<Run | null>(null);
  readonly rounds = signal<RoundTable>(noRounds);
  readonly error = signal<ApiError | null>(null);
  readonly details = signal<ReadonlyMap<number, RoundDetail>>(new Map());
  /** Grows whenever the matrix, which is changed in place, has changed. */
  readonly matrixVersion = signal(0);
  readonly loaded = signal(false);
  matrix = new ClientMatrix([]);

  private readonly wanted: Figure[];
  private asked = new Map<number, Promise<void>>();
  private line: Promise<void> = Promise.resolve();
  private readonly stops: (() => void)[] = [];
  private closed = false;
  private readonly follow = paced(() => this.inLine(() => this.update()), LIVE_GAP_MS);

  constructor(
    readonly id: string,
    first: Figure,
  ) {
    this.wanted = [first];
    void this.inLine(() => this.read());
    this.stops.push(onChange(run => (run === null || run === id) && this.follow()));
    this.stops.push(comeback.subscribe(() => (this.loaded.peek() || this.error.peek()) && this.follow()));
    this.stops.push(anew.subscribe(() => this.loaded.peek() && this.retry()));
    this.stops.push(heartbeat.subscribe(() => this.onHeartbeat()));
  }

  close(): void {
    this.closed = true;
    this.stops.forEach(stop => stop());
  }

  /** Read everything again, after an error or from a new store. */
  retry(): void {
    void this.inLine(() => this.read());
  }

  /** See to it that a figure of all clients is there for the heat map. */
  want(figure: Figure): void {
    if (this.wanted.includes(figure)) return;
    this.wanted.push(figure);
    void this.inLine(() => this.readFigures([figure]));
  }

  /** See to it that a round's clients, spans and events are there. */
  detail(round: number): RoundDetail | null {
    if (!this.asked.has(round)) this.asked.set(round, this.readDetail(round));
    return this.details.value.get(round) ?? null;
  }

  private onHeartbeat(): void {
    const state = this.run.peek()?.state;
    const error = this.error.peek();
    const mends = error !== null && error.status !== 404; // a run that begins is announced
    if (state === 'training' || state === 'silent' || mends) this.follow();
  }

  /** One piece of work after the other, so that answers never overtake each other. */
  private inLine(work: () => Promise<void>): Promise<void> {
    this.line = this.line.then(async () => {
      if (this.closed) return;
      try {
        await work();
        this.error.value = null;
      } catch (error) {
        this.fail(error);
      }
    });
    return this.line;
  }

  private fail(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    if (error.unreachable) suspect();
    if (!error.unreachable || !this.loaded.peek()) this.error.value = error;
  }

  private async read(): Promise<void> {
    const clients = getClientColumns(this.id, ['status', ...this.wanted], null);
    clients.catch(() => undefined); // awaited below; the run's own answer comes first
    const [run, rounds] = await Promise.all([getRun(this.id), getRounds(this.id, null)]);
    this.matrix = new ClientMatrix(run.nodes);
    this.details.value = new Map();
    this.asked = new Map();
    this.rounds.value = mergeRounds(noRounds, rounds);
    this.run.value = run;
    this.absorb(await clients, this.wanted);
    this.loaded.value = true;
    const rest = BAND_FIGURES.filter(figure => !this.wanted.includes(figure));
    this.wanted.push(...rest);
    void this.inLine(() => this.readFigures(rest));
  }

  private async readFigures(figures: readonly Figure[]): Promise<void> {
    this.absorb(await getClientColumns(this.id, figures, null), figures);
  }

  private absorb(pages: readonly ColumnsAnswer[], figures: readonly Figure[]): void {
    pages.forEach(page => this.matrix.absorb(page, figures));
    this.matrixVersion.value++;
  }

  /** What is new since the last round known; that one is read again, it may have grown. */
  private async update(): Promise<void> {
    if (!this.loaded.peek()) return this.read();
    const from = this.rounds.peek().last;
    const [run, rounds, clients] = await Promise.all([
      getRun(this.id),
      getRounds(this.id, from),
      getClientColumns(this.id, ['status', ...this.wanted], from),
    ]);
    this.run.value = run;
    if (!this.isNews(rounds)) return;
    if (from !== null) this.forget(from);
    this.absorb(clients, this.wanted);
    this.rounds.value = mergeRounds(this.rounds.peek(), rounds);
  }

  private isNews(rounds: readonly Round[]): boolean {
    const { last, first, figures } = this.rounds.peek();
    if (rounds.length !== 1 || rounds[0]!.round !== last) return rounds.length > 0;
    const at = last - first;
    return Object.entries(figures).some(([name, line]) => {
      return line[at] !== (rounds[0]![name as keyof Round] ?? null);
    });
  }

  /** Let a round be read again; what is known of it stays on the page until then. */
  private forget(round: number): void {
    this.asked.delete(round);
  }

  private async readDetail(round: number): Promise<void> {
    try {
      const [clients, spans, events] = await Promise.all([
        getRoundClients(this.id, round),
        getRoundSpans(this.id, round),
        getRoundEvents(this.id, round),
      ]);
      if (this.closed) return;
      const kept = [...this.details.peek()].filter(([known]) => known !== round);
      const dropped = kept.splice(0, Math.max(0, kept.length - ROUNDS_KEPT + 1));
      dropped.forEach(([known]) => this.asked.delete(known));
      this.details.value = new Map([...kept, [round, { clients, spans, events }]]);
    } catch (error) {
      this.asked.delete(round);
      this.fail(error);
    }
  }
}
