// Asking the policy service again and again, for as long as a tab is open.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../data/api';

const LOOK_MS = 5000;

/**
 * What `get` answers, asked anew where `key` changes and every 5 s; the same object as long as it
 * says the same. That the service is away is no error here: the page's frame says it.
 */
export function useAgain<T>(key: string, get: () => Promise<T>): [T | null, ApiError | null] {
  const shown = useSignal<T | null>(null);
  const error = useSignal<ApiError | null>(null);
  useEffect(() => {
    let [closed, timer, before] = [false, 0, ''];
    const look = async () => {
      try {
        const found = await get();
        const text = JSON.stringify(found);
        if (closed) return;
        if (text !== before) shown.value = found;
        before = text;
        error.value = null;
      } catch (failure) {
        if (!(failure instanceof ApiError)) throw failure;
        if (!closed && !failure.unreachable) error.value = failure;
      }
      if (!closed) timer = window.setTimeout(() => void look(), LOOK_MS);
    };
    void look();
    return () => {
      closed = true;
      clearTimeout(timer);
    };
  }, [key]);
  return [shown.value, error.value];
}
