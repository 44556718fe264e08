import assert from 'node:assert/strict';
import test from 'node:test';

import { curl, fields, javascript, python, sketch } from './examples.js';

const file = { type: 'string', format: 'binary' };
const removal = sketch({
  base: 'http://host', path: '/v1/services/object-removal', method: 'post', keyed: true,
  parameters: [{ name: 'points', in: 'query' }, { name: 'dry_run', in: 'query' }],
  form: fields({ properties: { box: { type: 'string' }, image: file, mask: { ...file, type: ['string', 'null'] } } }),
});

test('a removal sends both files, no text for a file, and its key', () => {
  const text = curl(removal, 'KEY');
  assert.equal(text, "curl -H 'Authorization: Bearer KEY' \\\n  -F image=@photo.jpg \\\n  -F mask=@mask.png \\\n  'http://host/v1/services/object-removal'");
  assert.match(python(removal, 'KEY'), /requests\.post\(\n {4}"http:\/\/host\/v1/);
  assert.match(python(removal, 'KEY'), /files=\[\("image", open\("photo\.jpg", "rb"\)\), \("mask", open\("mask\.png", "rb"\)\)\]/);
  assert.match(javascript(removal, 'KEY'), /body\.append\('image', photoJpg\);[\s\S]*method: 'POST'/);
});

test('lists are repeated, prompts stand in for a mask, ids for themselves', () => {
  assert.deepEqual(fields({ properties: { images: { type: 'array', items: file } } }), [['images', 'photo.jpg'], ['images', 'photo2.jpg']]);
  const found = sketch({ base: '', path: '/x/{job_id}', method: 'delete', keyed: false, parameters: [{ name: 'points', in: 'query' }], form: [] });
  assert.equal(curl(found), "curl -X DELETE \\\n  '/x/JOB_ID?points=%5B%5B320,240%5D%5D'");
  assert.equal(javascript(sketch({ base: '', path: '/a', method: 'get', keyed: false, parameters: [], form: [] })).split('\n')[0], "const reply = await fetch('/a');");
});
