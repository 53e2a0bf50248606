// A Hono app, as any other object with fetch(request).
import { Hono } from 'hono';

const app: Hono = new Hono();

app.get('/', (c) => c.json({ hello: 'hono', pid: process.pid }));

export default app;
