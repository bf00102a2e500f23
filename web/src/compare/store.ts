// The rounds of the runs that are compared, kept up with the stream.
import { signal } from '@preact/signals';
import { ApiError, getRounds } from '../data/api';
import { comeback, suspect } from '../data/collector';
import { anew, onChange } from '../data/live';
import { paced } from '../data/pace';
import { mergeRounds, noRounds, type RoundTable } from '../run/rounds';

const LIVE_GAP_MS = 500;

export class CompareStore {
  readonly tables = signal<ReadonlyMap<string, RoundTable>>(new Map());
  readonly error = signal<ApiError | null>(null);

  private readonly wanted = new Set<string>();
  private readonly dirty = new Set<string>();
  private readonly stops: (() => void)[] = [];
  private readonly follow = paced(() => this.update(), LIVE_GAP_MS);

  constructor() {
    this.stops.push(onChange(run => this.note(run)));
    this.stops.push(comeback.subscribe(() => this.note(null)));
    this.stops.push(
      anew.subscribe(() => {
        this.tables.value = new Map();
        this.note(null);
      }),
    );
  }

  close(): void {
    this.stops.forEach(stop => stop());
  }

  /** See to it that the rounds of these runs are there. */
  want(runs: readonly string[]): void {
    const fresh = runs.filter(run => !this.wanted.has(run));
    fresh.forEach(run => {
      this.wanted.add(run);
      this.dirty.add(run);
    });
    if (fresh.length) this.follow();
  }

  retry(): void {
    this.error.value = null;
    this.note(null);
  }

  private note(run: string | null): void {
    if (run === null) this.wanted.forEach(one => this.dirty.add(one));
    else if (this.wanted.has(run)) this.dirty.add(run);
    if (this.dirty.size) this.follow();
  }

  private async update(): Promise<void> {
    const ids = [...this.dirty];
    this.dirty.clear();
    try {
      const found = await Promise.all(ids.map(async id => [id, await this.read(id)] as const));
      this.tables.value = new Map([...this.tables.peek(), ...found]);
      this.error.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      ids.forEach(id => this.dirty.add(id));
      if (error.unreachable) suspect();
      else this.error.value = error;
    }
  }

  /** What is new of a run, the last known round again since figures may still come. */
  private async read(id: string): Promise<RoundTable> {
    const known = this.tables.peek().get(id) ?? noRounds;
    return mergeRounds(known, await getRounds(id, known.last));
  }
}
