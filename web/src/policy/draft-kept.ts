// The draft of this tab of the browser, kept so that a reload does not lose it.
import { computed, effect, signal } from '@preact/signals';
import { edited, restored, type Draft } from './draft';

const KEY = 'fedsight-policy-draft';

const stored = (): string | null => {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
};

/** The draft of this tab; null where nothing was edited. */
export const draft = signal<Draft | null>(restored(stored()));
export const edits = computed(() => (draft.value ? edited(draft.value) : []));
/** Whether it could be kept: a full storage is told, as a reload would lose it. */
export const kept = signal(true);

effect(() => {
  const now = draft.value;
  try {
    if (now) sessionStorage.setItem(KEY, JSON.stringify(now));
    else sessionStorage.removeItem(KEY);
    kept.value = true;
  } catch {
    kept.value = false;
  }
});

const warn = (event: BeforeUnloadEvent) => event.preventDefault();
effect(() => {
  if (edits.value.length) addEventListener('beforeunload', warn);
  else removeEventListener('beforeunload', warn);
});
