// What the tabs that change show where the set cannot be read.
import type { ApiError } from '../data/api';
import { Command } from '../fl/ask';
import { Problem } from '../states';
import { draft } from './draft-kept';
import { discard, refresh, set } from './edit-store';

const Again = () => (
  <button class="button" onClick={() => void refresh()}>
    Try again
  </button>
);

/** The set in force refuses even to be read: an empty one denies everything. */
export const Denied = ({ error }: { error: ApiError }) => (
  <Problem title="The set in force does not let this page read it" error={error} action={<Again />}>
    <b class="bad">A set without a rule that permits it, an empty one above all, denies everything</b>: training, sharing,
    reading and changing it here. It is mended in its folder, in a terminal on the service’s machine:
    <Command text="fedsight policy versions" />
    <Command text={`fedsight policy rollback ${set.value?.number ?? 'NUMBER'}`} />
  </Problem>
);

export const Unread = ({ error }: { error: ApiError }) => (
  <Problem
    title="The policy set could not be read"
    error={error}
    action={
      <>
        <Again />
        {draft.value && (
          <button class="button" onClick={discard}>
            Discard the draft
          </button>
        )}
      </>
    }
  >
    What is in force stays so; a draft that was begun here is kept.
  </Problem>
);
