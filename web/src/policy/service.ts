// The policy service, asked through the collector: what every tab shares.
import { signal } from '@preact/signals';
import { ApiError, get } from '../data/api';
import { suspect } from '../data/collector';
import type { Service } from '../fl/contract';
import { written } from '../fl/server';

const POLICY = '/api/v1/services/policy/';

/** Why the policy service cannot be asked; null while it answers, undefined before it was asked. */
export const away = signal<string | null | undefined>(undefined);

/** Asking one that is away would fill the browser's console with refusals. */
export async function lookForService(): Promise<void> {
  try {
    const { services } = await get<{ services: Service[] }>('/api/v1/services');
    away.value = services.find(({ name }) => name === 'policy')?.error ?? null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.unreachable) suspect();
    else away.value = error.message;
  }
}

/** A failure that says that the service is gone is noted before it is raised again. */
async function noted<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.unreachable) suspect();
    else if (error instanceof ApiError && error.code === 'service_away') away.value = error.message;
    throw error;
  }
}

/** Read from one of the service's routes, such as `api/v1/decisions`. Raises ApiError. */
export const ask = <T>(path: string, query: Record<string, string | number | null> = {}): Promise<T> =>
  noted(get<T>(POLICY + path, query));

/** Tell the service something; what changes it needs a login of this browser. Raises ApiError. */
export const tell = <T>(path: string, body: object, method = 'POST'): Promise<T> =>
  noted(get<T>(POLICY + path, {}, { method, headers: written(), body: JSON.stringify(body) }));
