import { generations } from './generations.ts';

generations('threaded');
