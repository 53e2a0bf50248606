import { underLoad } from './under-load.ts';

underLoad('threaded');
