import { develops } from './dev.ts';

develops('prefork');
