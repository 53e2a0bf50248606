import { upgrades } from './upgrade.ts';

upgrades('evented');
