// The set in force, its versions, what is said of the draft; and what is done about them.
import { computed, effect, signal } from '@preact/signals';
import { ApiError } from '../data/api';
import { comeback, heartbeat } from '../data/collector';
import { session } from '../fl/server';
import { begun, onto, type Draft } from './draft';
import { draft, edits } from './draft-kept';
import type { Files, PolicySet, Taken, Tried, Version } from './edit-contract';
import { ask, away, tell } from './service';

const PAUSE_MS = 350;
const AGAIN_MS = 1500;
const VERSIONS = 50;
const NAME_KEY = 'fedsight-policy-by';

export interface Said {
  text: string;
  bad: boolean;
}

/** What was said of which files: `files` are those that were looked at. */
export interface Looked {
  files: Files;
  tried: Tried | null;
  error: string | null;
}

export const set = signal<PolicySet | null>(null);
export const versions = signal<{ versions: Version[]; total: number }>({ versions: [], total: 0 });
export const failure = signal<ApiError | null>(null);
export const said = signal<Said | null>(null);
export const looked = signal<Looked | null>(null);
/** Files that both this draft and somebody else changed: theirs are not in it. */
export const clash = signal<string[]>([]);

export const files = computed<Files>(() => draft.value?.files ?? set.value?.files ?? {});
/** What was said of the files as they are now. */
export const current = computed(() => (looked.value?.files === files.value ? looked.value : null));
/** Whether somebody changed the set after the draft began. */
export const behind = computed(
  () => !!draft.value && !!set.value && draft.value.digest !== set.value.digest,
);

export const NO_LOGIN = 'This browser may look, not change anything: log in first.';
/** Why nothing can be changed; null where it can. */
export const locked = computed(() => {
  if (!session.value?.may_write) return NO_LOGIN;
  const why = set.value?.change_refused;
  return why ? `The set in force does not let you change it: ${why}.` : null;
});

const message = (error: unknown): string => {
  if (error instanceof ApiError) return error.message;
  throw error;
};

let reading = false;

export async function refresh(): Promise<void> {
  if (reading || away.peek()) return;
  reading = true;
  try {
    const now = await ask<PolicySet>('api/v1/policies');
    const before = set.peek();
    if (JSON.stringify(before) !== JSON.stringify(now)) {
      set.value = before?.digest === now.digest ? { ...now, files: before.files } : now;
    }
    if (before?.digest !== now.digest || !versions.peek().total) await readVersions();
    failure.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!error.unreachable) failure.value = error;
  } finally {
    reading = false;
  }
}

async function readVersions(): Promise<void> {
  versions.value = await ask('api/v1/policies/versions', { limit: VERSIONS });
}

export async function moreVersions(): Promise<void> {
  const { versions: now } = versions.peek();
  const next = await ask<typeof versions.value>('api/v1/policies/versions', { limit: VERSIONS, offset: now.length });
  versions.value = { versions: [...now, ...next.versions], total: next.total };
}

export const filesOf = async (number: number): Promise<Files> =>
  (await ask<{ files: Files }>(`api/v1/policies/versions/${number}`)).files;

function change(next: (files: Files) => Files): void {
  const from: Draft | null = draft.peek() ?? (set.peek() && begun(set.peek()!));
  if (!from) return;
  said.value = null;
  draft.value = { ...from, files: next(from.files) };
  if (!edits.value.length && !behind.value) draft.value = null;
}

export const write = (name: string, text: string): void => change(files => ({ ...files, [name]: text }));
export const remove = (name: string): void =>
  change(files => Object.fromEntries(Object.entries(files).filter(([other]) => other !== name)));

export function discard(): void {
  draft.value = null;
  clash.value = [];
}

/** Put the draft on what is in force now. */
export function rebase(): void {
  const made = onto(draft.peek()!, set.peek()!);
  draft.value = made.draft;
  clash.value = made.both;
  if (!edits.value.length) discard();
}

let timer = 0;
let turn = 0;

async function look(): Promise<void> {
  const [asked, mine] = [files.peek(), ++turn];
  let [next, again]: [Looked, boolean] = [{ files: asked, tried: null, error: null }, false];
  try {
    next.tried = await tell<Tried>('api/v1/policies/validate', { files: asked });
  } catch (error) {
    next = { ...next, error: message(error) };
    again = (error as ApiError).status === 429 || (error as ApiError).unreachable;
  }
  if (mine !== turn) return;
  looked.value = next;
  if (again) timer = window.setTimeout(() => void look(), AGAIN_MS);
}

/** Keep all of it up for as long as the page stands. */
export function watched(): () => void {
  const stops = [
    effect(() => {
      void comeback.value, heartbeat.value, away.value;
      if (!document.hidden) void refresh();
    }),
    effect(() => {
      const now = files.value;
      clearTimeout(timer);
      if (!session.value?.may_write || !set.value) return;
      if (looked.peek()?.files !== now) timer = window.setTimeout(() => void look(), looked.peek() ? PAUSE_MS : 0);
    }),
  ];
  return () => {
    stops.forEach(stop => stop());
    clearTimeout(timer);
  };
}

export const writer = (): string => localStorage.getItem(NAME_KEY) ?? '';

async function changed(asked: Promise<Taken>, done: (taken: Taken) => string): Promise<boolean> {
  try {
    const taken = await asked;
    said.value = { text: done(taken), bad: false };
    await refresh();
    return true;
  } catch (error) {
    said.value = { text: message(error), bad: true };
    await refresh();
    return false;
  }
}

const named = (by: string): string | null => {
  localStorage.setItem(NAME_KEY, by.trim());
  return by.trim() || null;
};

export async function apply(note: string, by: string): Promise<void> {
  const { digest, files: all } = draft.peek()!;
  const body = { files: all, note, by: named(by), expected: digest };
  const asked = tell<Taken>('api/v1/policies', body, 'PUT');
  const done = await changed(asked, ({ number }) => `Version ${number} is in force: each answer from now on is by it.`);
  if (done) discard();
}

export async function goBack(number: number, note: string, by: string): Promise<void> {
  const body = { number, note, by: named(by), expected: set.peek()!.digest };
  const asked = tell<Taken>('api/v1/policies/rollback', body);
  await changed(asked, taken => `Version ${number} is in force again, as version ${taken.number}.`);
}
