// What is known of nodes besides their rounds: the FL server's list of them, who fell silent, and
// whom policy refused.
import { effect, signal } from '@preact/signals';
import { ApiError, EVENTS, getEvents } from '../data/api';
import { suspect } from '../data/collector';
import type { Run } from '../data/contract';
import { paced } from '../data/pace';
import type { FlClient } from '../fl/contract';
import { allClients, server } from '../fl/server';
import { isLive } from '../runs/filter';
import { silentSince } from './now';
import { refusals, type Refusal } from './refusals';

const GAP_MS = 1500;

export class LiveNodes {
  readonly clients = signal<ReadonlyMap<string, FlClient>>(new Map());
  readonly silent = signal<ReadonlyMap<string, number>>(new Map());
  readonly refused = signal<ReadonlyMap<string, Refusal>>(new Map());
  /** Whether names are the nodes' keys', not what they say; null where nobody told. */
  readonly verified = signal<boolean | null>(null);
  private lastRefusal = 0;
  private readonly look = paced(() => this.read(), GAP_MS);
  private readonly stop: () => void;
  private run: Run | null = null;

  constructor(run: { readonly value: Run | null }) {
    this.stop = effect(() => {
      this.run = run.value;
      const { status, error } = server.value;
      if (this.run && (status || error)) this.look();
    });
  }

  close(): void {
    this.stop();
    this.run = null;
  }

  private async read(): Promise<void> {
    const run = this.run;
    if (!run) return;
    try {
      if (server.peek().status?.run === run.id) {
        this.clients.value = new Map((await allClients()).map(one => [one.client_id, one]));
      } else if (this.clients.peek().size) this.clients.value = new Map();
      await this.readRefusals(run.id);
      if (run.engine !== 'simulation' && this.verified.peek() === null) await this.readVerified(run.id);
      if (isLive(run) && run.engine !== 'simulation') {
        const kinds = ['NODE_SILENT', 'NODE_REFUSED', 'NODE_RETURNED'];
        const told = await Promise.all(kinds.map(kind => getEvents(run.id, kind)));
        this.silent.value = silentSince(told.flat());
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.unreachable) suspect();
    }
  }

  private async readVerified(run: string): Promise<void> {
    const [begun] = await getEvents(run, 'RUN_STARTED');
    const told = begun?.details['names_verified'];
    if (typeof told === 'boolean') this.verified.value = told;
  }

  /** What came since the last look. */
  private async readRefusals(run: string): Promise<void> {
    for (let full = true; full && this.run; ) {
      const told = await getEvents(run, 'CLIENT_REFUSED', this.lastRefusal);
      full = told.length === EVENTS;
      if (!told.length) return;
      this.lastRefusal = Math.max(...told.map(({ id }) => id));
      this.refused.value = refusals(this.refused.peek(), told);
    }
  }
}
