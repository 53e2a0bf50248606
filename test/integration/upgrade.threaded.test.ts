import { upgrades } from './upgrade.ts';

upgrades('threaded');
