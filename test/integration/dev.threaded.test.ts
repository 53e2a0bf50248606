import { develops } from './dev.ts';

develops('threaded');
