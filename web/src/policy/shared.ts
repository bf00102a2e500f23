// What the tabs of the policy page are made of, for the bundler (see ../shared.ts).
import '../fl/shared';
import './links';
import './looking';
import './service';
import './words';
