// Ctrl K: jump to a run, a page, or a round of the open run.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { isLive, matches, runName } from '../runs/filter';
import { runs } from '../runs/store';
import { dialog, go, goRun, page, PLACES, setQuery } from '../view';
import { wholeNumber } from '../route';

const MOST = 9;

interface Target {
  key: string;
  text: string;
  kind: string;
  go: () => void;
}

function targets(search: string): Target[] {
  const found: Target[] = [];
  const round = wholeNumber(/^(?:round\s*)?(\d+)$/i.exec(search.trim())?.[1]);
  if (round !== null && page.value === 'run') {
    found.push({ key: 'round', text: `Round ${round}`, kind: 'round', go: () => setQuery({ round }) });
  }
  for (const [place, name] of PLACES) {
    if (!place.startsWith(search.toLowerCase())) continue;
    found.push({ key: place, text: name, kind: 'page', go: () => go(place) });
  }
  const hits = runs.value.filter(run => matches(run, search));
  hits.sort((a, b) => Number(isLive(b)) - Number(isLive(a)));
  for (const run of hits.slice(0, MOST - found.length)) {
    const text = `${runName(run)}  ${run.id}`;
    found.push({ key: run.id, text, kind: run.state, go: () => goRun(run.id) });
  }
  return found;
}

export function Jump() {
  const box = useRef<HTMLDialogElement>(null);
  const search = useSignal('');
  const at = useSignal(0);
  useLayoutEffect(() => box.current!.showModal(), []);
  const hits = targets(search.value);
  const close = () => (dialog.value = null);
  const pick = (target: Target | undefined) => {
    close();
    target?.go();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      at.value = Math.max(0, Math.min(hits.length - 1, at.value + step));
    }
    if (event.key === 'Enter') {
      event.preventDefault(); // or the key would also act on the page that opens
      pick(hits[at.value]);
    }
  };
  return (
    <dialog ref={box} class="jump-to" aria-label="Jump to" onClose={close} onClick={event => {
      if (event.target === box.current) close();
    }}>
      <input
        autofocus
        placeholder="Run, page or round"
        role="combobox"
        aria-label="Jump to"
        aria-expanded="true"
        aria-controls="jump-hits"
        aria-activedescendant={hits.length ? `jump-${at.value}` : undefined}
        value={search.value}
        onInput={event => {
          search.value = event.currentTarget.value;
          at.value = 0;
        }}
        onKeyDown={onKeyDown}
      />
      <ul role="listbox" id="jump-hits" aria-label="Found">
        {hits.map((hit, index) => (
          <li
            key={hit.key}
            id={`jump-${index}`}
            role="option"
            aria-selected={index === at.value}
            onClick={() => pick(hit)}
          >
            <span class="grow ellipsis">{hit.text}</span>
            <span class="faint">{hit.kind}</span>
          </li>
        ))}
      </ul>
      {!hits.length && <p class="muted">Nothing is called “{search.value}”.</p>}
    </dialog>
  );
}
