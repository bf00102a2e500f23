// The bar above every page: where we are, jump, keys, theme.
import { dialog, nextTheme, page, PLACES, runHref, runId, theme } from '../view';

function Crumb() {
  if (page.value !== 'run') {
    const name = PLACES.find(([place]) => place === page.value)?.[1] ?? 'Not found';
    return (
      <>
        <b>{name}</b>
        {runId.value && <span>in</span>}
        {runId.value && (
          <a class="mono ellipsis" href={runHref(runId.value)}>
            {runId.value}
          </a>
        )}
      </>
    );
  }
  return (
    <>
      <a href="#/runs">Runs</a>
      <span class="faint">/</span>
      <b class="mono ellipsis">{runId.value}</b>
    </>
  );
}

const HALF = {
  system: 'M8 2.5a5.5 5.5 0 0 1 0 11z',
  dark: 'M8 2.5a5.5 5.5 0 0 1 0 11 5.5 5.5 0 0 1 0-11z',
  light: '',
};

export const Top = () => (
  <div class="top">
    <div class="crumb">
      <Crumb />
    </div>
    <span class="grow" />
    <button class="field jump wide-only" onClick={() => (dialog.value = 'jump')}>
      <span class="grow">Jump to…</span>
      <kbd>Ctrl K</kbd>
    </button>
    <button
      class="button ghost wide-only"
      aria-label="Show the keys"
      title="Keys"
      onClick={() => (dialog.value = 'keys')}
    >
      <kbd>?</kbd>
    </button>
    <button
      class="button ghost"
      aria-label={`Theme: ${theme.value}. Switch`}
      title={`Theme: ${theme.value}`}
      onClick={nextTheme}
    >
      <svg width="15" height="15" viewBox="0 0 16 16" class="theme" aria-hidden="true">
        <circle cx="8" cy="8" r="5.5" />
        <path d={HALF[theme.value]} />
      </svg>
    </button>
  </div>
);
