import { upgrades } from './upgrade.ts';

upgrades('prefork');
