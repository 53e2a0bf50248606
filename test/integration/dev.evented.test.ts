import { develops } from './dev.ts';

develops('evented');
