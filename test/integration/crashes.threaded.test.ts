import { crashes } from './crashes.ts';

crashes('threaded');
