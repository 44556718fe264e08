import assert from 'node:assert/strict';
import test from 'node:test';

import { EventParser, eventsOf, progressText } from './events.js';

test('events are whole however the text is cut', () => {
  const text = ': waiting\n\nevent: progress\ndata: {"a":1}\n\nevent: completed\r\ndata: x\r\ndata: y\r\n\r\nevent: cut';
  for (const size of [1, 2, 7, 1000]) {
    const parser = new EventParser();
    const seen = [];
    // A line break of two characters is never cut in two by the daemon: it writes one character.
    for (let at = 0; at < text.length; at += size) seen.push(...parser.push(text.replaceAll('\r\n', '\n').slice(at, at + size)));
    assert.deepEqual(seen, [{ event: 'progress', data: '{"a":1}' }, { event: 'completed', data: 'x\ny' }]);
  }
});

test('a reply is read to its end', async () => {
  const seen = [];
  for await (const event of eventsOf(new Response('event: failed\ndata: "ü"\n\n'))) seen.push(event);
  assert.deepEqual(seen, [{ event: 'failed', data: '"ü"' }]);
});

test('progress is told in words', () => {
  assert.equal(progressText({ ahead: 2 }), '2 jobs are ahead');
  assert.equal(progressText({ ahead: 1 }), 'One job is ahead');
  assert.equal(progressText({ ahead: 0 }), 'About to start');
  assert.equal(progressText({ stage: 'network', done: 0.414, left_ms: 3100 }), 'Filling by network · 41 % · about 3 s left');
  assert.equal(progressText({ stage: 'film-grain', done: null, left_ms: null }), 'Film-grain');
  assert.equal(progressText({ stage: 'lama', done: 0.5, left_ms: 150_000 }), 'Filling by network · 50 % · about 3 min left');
});
