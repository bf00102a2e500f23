// A draft: the files of a set as they are being changed, and those from which that began.
// Pure; `draft-kept.ts` keeps it.
import type { Files, PolicySet } from './edit-contract';

export interface Draft {
  /** Of the set from which it began: its digest, number and files. */
  digest: string;
  number: number | null;
  base: Files;
  files: Files;
}

export const begun = (set: PolicySet): Draft => ({
  digest: set.digest,
  number: set.number,
  base: set.files,
  files: set.files,
});

/** The files that differ from those from which it began. */
export const edited = ({ base, files }: Draft): string[] =>
  [...new Set([...Object.keys(base), ...Object.keys(files)])].filter(name => base[name] !== files[name]).sort();

/** The draft on another set: files that were not edited are the other's. `both` were changed by both. */
export function onto(draft: Draft, set: PolicySet): { draft: Draft; both: string[] } {
  const mine = edited(draft);
  const files = { ...set.files };
  const both = mine.filter(name => set.files[name] !== draft.base[name] && set.files[name] !== draft.files[name]);
  for (const name of mine) {
    if (draft.files[name] === undefined) delete files[name];
    else files[name] = draft.files[name];
  }
  return { draft: { ...begun(set), files }, both };
}

export function restored(text: string | null): Draft | null {
  try {
    const found = JSON.parse(text ?? 'null') as Draft | null;
    return found && typeof found.digest === 'string' && found.base && found.files ? found : null;
  } catch {
    return null;
  }
}
