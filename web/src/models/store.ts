// Model versions as the FL server lists them, and what may be done with them.
import { computed, effect, signal } from '@preact/signals';
import { ApiError, getRun } from '../data/api';
import { suspect } from '../data/collector';
import type { Run } from '../data/contract';
import { onChange } from '../data/live';
import { paced } from '../data/pace';
import type { Comparison, Model, ModelList } from '../fl/contract';
import { ask, server, tell } from '../fl/server';

/** Nothing is asked of a server that is away. */
const there = computed(() => server.value.status !== null);
const GAP_MS = 2000;
const A_PAGE = 100;

export class ModelStore {
  readonly list = signal<ModelList | null>(null);
  readonly error = signal<ApiError | null>(null);
  /** What came of the last thing asked for. */
  readonly said = signal<{ text: string; bad: boolean } | null>(null);
  readonly compared = signal<Comparison | ApiError | null>(null);
  /** The runs of what is compared, for their settings. */
  readonly runs = signal<ReadonlyMap<string, Run>>(new Map());
  private most = A_PAGE;
  private readonly look = paced(() => this.read(), GAP_MS);
  private readonly stops: (() => void)[];

  /** Of one run, or of all where `run` is empty. */
  constructor(readonly run: string) {
    this.stops = [
      onChange(changed => (changed === null || !run || changed === run) && this.look()),
      effect(() => {
        if (there.value) this.look();
      }),
    ];
  }

  close(): void {
    this.stops.forEach(stop => stop());
  }

  more(): void {
    this.most += A_PAGE;
    this.look();
  }

  private async read(): Promise<void> {
    if (!there.peek()) return;
    try {
      const query = { run: this.run || null, limit: this.most };
      this.list.value = await ask<ModelList>('models', query);
      this.error.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.unreachable) suspect();
      else this.error.value = error;
    }
  }

  async compare(a: string, b: string): Promise<void> {
    this.compared.value = null;
    try {
      const ids = [...new Set([a, b].map(version => version.split('/')[0]!))];
      const [found, ...runs] = await Promise.all([
        ask<Comparison>('models/compare', { a, b }),
        ...ids.map(id => getRun(id).catch(() => null)), // its run may be in another store
      ]);
      this.runs.value = new Map(runs.flatMap(run => (run ? [[run.id, run] as const] : [])));
      this.compared.value = found;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.compared.value = error;
    }
  }

  /** Change something, say what came of it, and read the list again. */
  async change(path: string, body: object, word: string): Promise<void> {
    try {
      const done = await tell<{ version: string; before: string | null }>(path, body);
      const before = done.before && done.before !== done.version ? `, before it ${done.before}` : '';
      this.said.value = { text: `${word} is now ${done.version}${before}.`, bad: false };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.said.value = { text: error.message, bad: true };
    }
    await this.read();
  }
}

export const promotePath = ({ version }: Model): string => `models/${address(version)}/promote`;
export const tagPath = ({ version }: Model): string => `models/${address(version)}/tag`;

const address = (version: string): string => version.split('/').map(encodeURIComponent).join('/');

/** Settings in which two runs differ: name, first, second. */
export function differences(a: Run | undefined, b: Run | undefined): [string, string, string][] {
  if (!a || !b) return [];
  const text = (value: unknown) => (value === undefined ? '' : JSON.stringify(value));
  const of = ({ task, engine, strategy, config }: Run) => ({ task, engine, strategy, ...config });
  const [one, other] = [of(a), of(b)] as Record<string, unknown>[];
  return [...new Set([...Object.keys(one!), ...Object.keys(other!)])]
    .map((name): [string, string, string] => [name, text(one![name]), text(other![name])])
    .filter(([, first, second]) => first !== second);
}
