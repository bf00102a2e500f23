// How many alerts fire, for the rail.
import '../shared';
import { signal } from '@preact/signals';
import { ApiError, get } from '../data/api';
import { alertsChanged } from '../data/live';
import { paced } from '../data/pace';
import type { AlertPage } from './contract';

const firing = signal(0);

async function read(): Promise<void> {
  try {
    const page = await get<AlertPage>('/api/v1/alerts', { state: 'firing', limit: 1 });
    firing.value = page.firing;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // the page of alerts says what is wrong
  }
}

alertsChanged.subscribe(paced(read, 1000));

export const AlertCount = () =>
  firing.value > 0 && (
    <span class="count warn" title={`${firing.value} firing`}>
      {firing.value}
    </span>
  );
