// An Express app, exported instead of listening.
import express, { type Express } from 'express';

const app: Express = express();

app.get('/', (_req, res) => {
  res.json({ hello: 'express', pid: process.pid });
});

export default app;
