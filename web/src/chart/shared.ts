// What pages with charts are made of, for the bundler: one file compresses better (see ../shared.ts).
import '../shared';
import './chart';
import './options';
import './paint';
import './smooth';
import './ticks';
