import { describeFreshSystem } from './fresh-system.ts';

describeFreshSystem('bookworm');
