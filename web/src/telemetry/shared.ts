// What the parts of the telemetry page are made of, for the bundler (see ../shared.ts).
import '../chart/shared';
import '../fl/shared';
import './energy';
import './store';
import './words';
