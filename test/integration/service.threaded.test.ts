import { service } from './service.ts';

service('threaded');
