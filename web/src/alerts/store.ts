// Alerts, rules and silences, kept up with the stream; and what is done about them.
import { computed, effect, signal } from '@preact/signals';
import { ApiError, get } from '../data/api';
import { comeback, suspect } from '../data/collector';
import { alertsChanged } from '../data/live';
import { paced } from '../data/pace';
import { written } from '../fl/server';
import type { Alert, AlertPage, AlertState, Matcher, Rules, Silence } from './contract';

const GAP_MS = 500;
const SHOWN = 200;

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
  readonly open = computed(() => this.of('firing', 'pending'));
  readonly all = computed(() => this.of('firing', 'pending', 'resolved'));

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

  private of(...states: AlertState[]): Alert[] {
    const pages = this.pages.value;
    const found = pages ? states.flatMap(state => pages[state].alerts) : [];
    return found.sort((a, b) => b.timestamp.localeCompare(a.timestamp));
  }

  private async read(): Promise<void> {
    const page = (state: AlertState) => get<AlertPage>('/api/v1/alerts', { state, limit: SHOWN });
    try {
      const [firing, pending, resolved, rules, silences] = await Promise.all([
        page('firing'),
        page('pending'),
        page('resolved'),
        get<Rules>('/api/v1/alerts/rules'),
        get<{ silences: Silence[] }>('/api/v1/silences', { limit: SHOWN }),
      ]);
      this.pages.value = { firing, pending, resolved };
      this.rules.value = rules;
      this.silences.value = silences.silences;
      this.error.value = null;
    } catch (error) {
      this.failed(error);
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
    const ends = new Date(Date.now() + hours * 3_600_000).toISOString();
    const body = JSON.stringify({ matchers, ends, by, comment });
    const done = `Nobody is told of it for ${hours} h. It stays on this page.`;
    return this.change('/api/v1/silences', { method: 'POST', body }, done);
  }

  unsilence(silence: Silence): Promise<void> {
    return this.change(`/api/v1/silences/${silence.id}`, { method: 'DELETE' }, 'The silence is over.');
  }
}
