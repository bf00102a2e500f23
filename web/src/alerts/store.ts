// Alerts, rules and silences, kept up with the stream; and what is done about them.
import { computed, effect, signal } from '@preact/signals';
import { ApiError, get } from '../data/api';
import { comeback, serverNow, suspect } from '../data/collector';
import { alertsChanged } from '../data/live';
import { paced } from '../data/pace';
import { written } from '../fl/server';
import type { Alert, AlertPage, AlertState, Matcher, Rules, Silence } from './contract';

const GAP_MS = 500;
const SHOWN = 200;
/** The longest list that the collector gives. */
const MOST = 1000;

export interface Said {
  text: string;
  bad: boolean;
}

export class AlertStore {
  readonly pages = signal<Record<AlertState, AlertPage> | null>(null);
  readonly rules = signal<Rules | null>(null);
  readonly silences = signal<Silence[]>([]);
  readonly error = signal<ApiError | null>(null);
  readonly said = signal<Said | null>(null);
  /** The alert that an address names, where no list has it; its `alert` is null where there is none. */
  readonly named = signal<{ id: number; alert: Alert | null } | null>(null);
  readonly open = computed(() => this.of('firing', 'pending'));
  readonly all = computed(() => this.of('firing', 'pending', 'resolved'));

  private wanted: number | null = null;
  private most = SHOWN;
  private readonly refresh = paced(() => this.read(), GAP_MS);
  private readonly stop: () => void;

  constructor() {
    this.stop = effect(() => {
      void alertsChanged.value, comeback.value;
      this.refresh();
    });
  }

  close(): void {
    this.stop();
  }

  retry(): void {
    this.refresh();
  }

  /** List more of each kind, as many as the collector gives. */
  more(): void {
    this.most = MOST;
    this.refresh();
  }

  /** Whether longer lists can be had. */
  get canListMore(): boolean {
    return this.most < MOST;
  }

  /** See to it that the alert of this id is known. */
  want(id: number | null): void {
    this.wanted = id;
    if (id !== null && this.find(id) === undefined) this.refresh();
  }

  /** The alert of an id; null where there is none, undefined while that is not known. */
  find(id: number): Alert | null | undefined {
    const named = this.named.value;
    return this.all.value.find(alert => alert.id === id) ?? (named?.id === id ? named.alert : undefined);
  }

  private of(...states: AlertState[]): Alert[] {
    const pages = this.pages.value;
    const found = pages ? states.flatMap(state => pages[state].alerts) : [];
    return found.sort((a, b) => b.timestamp.localeCompare(a.timestamp));
  }

  private async read(): Promise<void> {
    const limit = this.most;
    const page = (state: AlertState) => get<AlertPage>('/api/v1/alerts', { state, limit });
    try {
      const [firing, pending, resolved, rules, silences] = await Promise.all([
        page('firing'),
        page('pending'),
        page('resolved'),
        get<Rules>('/api/v1/alerts/rules'),
        get<{ silences: Silence[] }>('/api/v1/silences', { limit: MOST }),
      ]);
      const lists = [firing, pending, resolved].flatMap(({ alerts }) => alerts);
      const id = this.wanted;
      const known = this.named.peek();
      // One that is not there is asked for once.
      if (id === null || lists.some(alert => alert.id === id)) this.named.value = null;
      else if (known?.id !== id || known.alert) this.named.value = { id, alert: await this.one(id) };
      this.pages.value = { firing, pending, resolved };
      this.rules.value = rules;
      this.silences.value = silences.silences;
      this.error.value = null;
    } catch (error) {
      this.failed(error);
    }
  }

  private async one(id: number): Promise<Alert | null> {
    try {
      return await get<Alert>(`/api/v1/alerts/${id}`);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  private failed(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    if (error.unreachable) suspect();
    else this.error.value = error;
  }

  /** Change something, and tell how it went. */
  private async change(path: string, init: RequestInit, done: string): Promise<void> {
    try {
      await get(path, {}, { headers: written(), ...init });
      this.said.value = { text: done, bad: false };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.said.value = { text: error.message, bad: true };
    }
    this.refresh();
  }

  acknowledge(alert: Alert, by: string, comment: string): Promise<void> {
    const body = JSON.stringify({ by, comment });
    const path = `/api/v1/alerts/${alert.id}/acknowledge`;
    return this.change(path, { method: 'POST', body }, `Acknowledged: ${alert.message}`);
  }

  silence(matchers: Matcher[], hours: number, by: string, comment: string): Promise<void> {
    const ends = new Date(serverNow() + hours * 3_600_000).toISOString();
    const body = JSON.stringify({ matchers, ends, by, comment });
    const done = `Nobody is told of it for ${hours} h. It stays on this page.`;
    return this.change('/api/v1/silences', { method: 'POST', body }, done);
  }

  unsilence(silence: Silence): Promise<void> {
    return this.change(`/api/v1/silences/${silence.id}`, { method: 'DELETE' }, 'The silence is over.');
  }
}
