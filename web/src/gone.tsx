// What stands above every page while the collector does not answer.
import './shared';
import { now, poll, reach } from './data/collector';
import { clock, duration } from './format';
import { Glyph } from './parts';

/** Says that the collector is gone, since when the figures stand, and what goes on without it. */
export function GoneBanner() {
  const { goneSince, seen, nextTry } = reach.value;
  const since = duration(Math.max(0, (now.value - (goneSince ?? now.value)) / 1000));
  const next = Math.max(0, Math.ceil(((nextTry ?? now.value) - now.value) / 1000));
  return (
    <div class="banner" role="alert">
      <Glyph name="dashes" tone="bad" />
      <span>
        <b>Collector not reachable</b> at {location.host} for {since}.{' '}
        {seen !== null && `Figures are from ${clock(seen)} UTC. `}
        Training goes on; its journal is kept and sent later.
      </span>
      <span class="grow" />
      <span class="muted nowrap wide-only">next try in {next} s</span>
      <button class="button" onClick={() => void poll()}>
        Try now
      </button>
    </div>
  );
}
