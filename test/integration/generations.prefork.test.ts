import { generations } from './generations.ts';

generations('prefork');
