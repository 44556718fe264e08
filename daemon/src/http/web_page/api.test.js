import assert from 'node:assert/strict';
import test from 'node:test';

import { account } from './api.js';

/** The error of a call that the service answers like this. */
async function refused(status, body) {
  globalThis.fetch = async () => new Response(body, { status });
  try {
    return await account('a key').then(() => assert.fail('no error'), (error) => error);
  } finally {
    delete globalThis.fetch;
  }
}

test('a refusal says what the service said', async () => {
  const text = await refused(402, JSON.stringify({ detail: 'no credits are left' }));
  assert.equal(text.status, 402);
  assert.match(text.message, /no credits are left/);
  const detail = [{ loc: ['query', 'quality'], msg: '1 to 100' }, { loc: ['body', 'mask'], msg: 'is missing' }];
  const fields = await refused(422, JSON.stringify({ detail }));
  assert.match(fields.message, /quality: 1 to 100; mask: is missing/);
});

test('a reply that is not the service\'s own tells its status', async () => {
  const error = await refused(502, '<html>bad gateway</html>');
  assert.equal(error.status, 502);
  assert.match(error.message, /502/);
});
