import './shared';
import { render } from 'preact';
import { App } from './app';
import { watchCollector } from './data/collector';
import { connect } from './data/live';
import { fetchAhead } from './lazy';
import { watchRuns } from './runs/store';
import { watchKeys } from './shell/keys';

const FONT_PATIENCE_MS = 300;

watchKeys();
watchRuns();
watchCollector();
connect();
// Canvases draw text once: they should find the font there.
const font = document.fonts.load('12px Inter').catch(() => undefined);
await Promise.race([font, new Promise(done => setTimeout(done, FONT_PATIENCE_MS))]);
render(<App />, document.getElementById('app')!);
fetchAhead();
