// What the tabs that change are made of, for the bundler (see ../shared.ts).
import './shared';
import './draft-kept';
import './edit-store';
