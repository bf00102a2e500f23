// What the parts that speak with the FL server are made of, for the bundler: see ../shared.ts.
import '../shared';
import './actions';
import './ask';
import './moment';
import './server';
