// What more than one page is made of. Pages import this file too, so that the bundler puts it all
// in one file instead of many small ones, which compress badly.
import './data/api';
import './data/collector';
import './data/live';
import './data/pace';
import './format';
import './lazy';
import './parts';
import './route';
import './run/store';
import './runs/filter';
import './runs/store';
import './shell/keys';
import './states';
import './tip';
import './view';
import 'preact/hooks';
