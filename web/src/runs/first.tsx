// What stands where no run is known yet. It becomes the first run's page by itself.
import '../fl/shared';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { getStatus } from '../data/api';
import { gone, heartbeat } from '../data/collector';
import { Command } from '../fl/ask';
import { count } from '../format';
import { Figure, Glyph } from '../parts';
import { becomeRun, page } from '../view';
import { runs } from './store';

const COMMAND = 'fedsight run';
/** By their name in the collector's status. */
const SERVICES: [string, string][] = [
  ['fl_server', 'FL server'],
  ['policy_engine', 'Policy engine'],
  ['sdn_controller', 'Network controller'],
];

interface Seen {
  signals: number;
  services: Record<string, string>;
}

async function look(): Promise<Seen | null> {
  const status = await getStatus().catch(() => null);
  if (!status) return null;
  const { events, samples, spans } = status.signals;
  const services = Object.entries(status.components).map(([name, { status }]) => [name, status]);
  return { signals: events + samples + spans, services: Object.fromEntries(services) };
}

const Service = ({ name, state }: { name: string; state?: string }) => (
  <>
    <dt>
      <Glyph name={state && state !== 'unknown' ? 'check' : 'dashes'} /> {name}
    </dt>
    <dd>{state && state !== 'unknown' ? state : 'not seen'}</dd>
  </>
);

/** Once there is a run, this page is that run's. */
function useFirstRun(): void {
  const stop = () =>
    runs.subscribe(all => {
      if (all.length && page.peek() === 'runs') becomeRun(all[0]!.id);
    });
  useEffect(stop, []);
}

export function FirstRun() {
  document.title = 'Start · fedsight';
  const seen = useSignal<Seen | null>(null);
  useFirstRun();
  useEffect(() => heartbeat.subscribe(() => void look().then(found => (seen.value = found))), []);
  return (
    <div class="first-run">
      <div>
        <h1>No runs yet</h1>
        <p class="muted lead">In a terminal on this machine, type</p>
        <Command text={COMMAND} />
        <p class="faint">
          Trains MNIST digits with 10 simulated clients, 20 rounds. Nothing is downloaded. The run
          opens here by itself.
        </p>
        <div class="row listening">
          <Glyph name={gone.value ? 'dashes' : 'check'} tone={gone.value ? 'bad' : 'ok'} />
          <span class="grow">
            {gone.value ? 'Collector not reachable at ' : 'Collector listening on '}
            <span class="mono">{location.host}</span>
          </span>
          <span class="faint">
            <Figure
              value={seen.value?.signals}
              format={value => `${count(value)} signals`}
              why="The collector has not said how many yet"
            />
          </span>
        </div>
        <dl class="services">
          {SERVICES.map(([key, name]) => (
            <Service key={key} name={name} state={seen.value?.services[key]} />
          ))}
        </dl>
      </div>
    </div>
  );
}
