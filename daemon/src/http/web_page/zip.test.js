import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { crc32, distinct, zip, zipped } from './zip.js';

test('CRC-32 of the standard check text', async () => {
  assert.equal(await crc32(new Blob(['123456789']).stream()), 0xcbf43926);
});

test('equal names are told apart', () => {
  assert.deepEqual(['a.jpg', 'A.jpg', 'a.jpg', 'b', 'b'].map(distinct()), ['a.jpg', 'A (2).jpg', 'a (3).jpg', 'b', 'b (2)']);
});

test('another program reads what was written', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'zip-'));
  try {
    const files = [{ name: 'a.txt', blob: new Blob(['hello']) }, { name: 'größe.bin', blob: new Blob([new Uint8Array(70_000)]) }];
    writeFileSync(join(dir, 'x.zip'), Buffer.from(await (await zip(files)).arrayBuffer()));
    const read = 'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print([(i.filename,i.file_size) for i in z.infolist()])';
    const told = execFileSync('python3', ['-c', read, join(dir, 'x.zip')], { encoding: 'utf8' });
    assert.equal(told.trim(), "[('a.txt', 5), ('größe.bin', 70000)]");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a file is asked for only once the one before was taken', async () => {
  const asked = [];
  async function* files() {
    for (const name of ['a', 'b']) {
      asked.push(name);
      yield { name, blob: new Blob([name]) };
    }
  }
  const parts = zipped(files());
  for (let n = 0; n < 3; n += 1) await parts.next();
  assert.deepEqual(asked, ['a'], 'head, name and content of the first are out');
  await parts.next();
  assert.deepEqual(asked, ['a', 'b']);
});

test('what a ZIP cannot hold is refused', async () => {
  await assert.rejects(zip([{ name: 'a', blob: { size: 5e9 } }]), /too large/);
});
