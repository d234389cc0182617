import { describeFreshSystem } from './fresh-system.ts';

describeFreshSystem('trixie');
