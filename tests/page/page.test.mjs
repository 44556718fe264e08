// What people do on the page, with a real browser and a real daemon.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { Daemon, PHONE, Page, launch } from './harness.mjs';

let browser;
let daemon;
before(async () => { [daemon, browser] = await Promise.all([Daemon.start(), launch()]); });
after(async () => { await Promise.all([browser?.close(), daemon?.stop()]); });

/** Runs `act` on a page of its own. */
const use = (name, options, act) => test(name, async () => {
  const page = await Page.open(browser, daemon, options);
  await act(page);
  await page.close();
});

const difference = (a, b) => Math.max(...a.map((value, index) => Math.abs(value - b[index])));

/** A folder for what the page downloads, and a wait for a file in it. */
async function downloads(page) {
  const folder = await mkdtemp(join(tmpdir(), 'page-'));
  const session = await page.tab.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', browserContextId: page.context.id, downloadPath: folder });
  const arrives = async (name) => {
    let files = [];
    for (let n = 0; n < 200 && !files.includes(name); n += 1) {
      await new Promise((done) => setTimeout(done, 100));
      files = await readdir(folder);
    }
    assert.ok(files.includes(name), `${name} is not among ${files}`);
    return join(folder, name);
  };
  return { folder, arrives };
}

use('a key is asked for before anything else, refused with a reason, and typed without setting tools', { key: null }, async (page) => {
  await page.appears('key-dialog');
  await page.shot('key');
  await page.axe('the question for a key');
  await page.tab.keyboard.type('sk-live-cxebrl0000000000000000000000000000');
  await page.tab.keyboard.press('Enter');
  await page.until(() => document.getElementById('key-alarm').textContent.includes('does not know this key'));
  await page.shot('key-refused');
  assert.equal(await page.tab.evaluate(() => document.activeElement.id), 'key');
  assert.equal(await page.tab.$eval('[data-tool="brush"]', (button) => button.ariaPressed), 'true', 'what was typed chose no tool');
  await page.tab.$eval('#key', (input) => { input.value = ''; });
  await page.tab.keyboard.type(daemon.key);
  await page.tab.keyboard.press('Enter');
  await page.until(() => !document.getElementById('key-dialog').open);
  await page.until(() => /credits/.test(document.getElementById('account').textContent));
  assert.notEqual(await page.tab.evaluate(() => document.activeElement.id), 'key', 'the focus leaves the field');
  const kept = () => page.tab.evaluate(() => [sessionStorage.getItem('key'), localStorage.getItem('key')]);
  assert.deepEqual(await kept(), [daemon.key, null], 'until the tab is closed');
  await page.tab.click('#account');
  await page.appears('key-dialog');
  await page.tab.$eval('#key', (input) => { input.value = ''; });
  await page.tab.type('#key', daemon.key);
  await page.tab.click('[name="keep"][value="browser"]');
  await page.tab.click('#key-form [type="submit"]');
  await page.until(() => !document.getElementById('key-dialog').open);
  assert.equal((await kept())[1], daemon.key, 'in the browser, where that was chosen');
});

use('paint, undo, redo, zoom, remove, and undo across the removal', {}, async (page) => {
  await page.shot('empty');
  await page.axe('the empty page');
  await page.example('boat');
  await page.drag([0.5, 0.6], [0.6, 0.7]);
  const painted = await page.share();
  assert.ok(painted > 0.003 && painted < 0.1, `a stroke marks ${painted}`);
  await page.drag([0.2, 0.2], [0.3, 0.2]);
  assert.ok((await page.share()) > painted * 1.3);
  await page.tab.keyboard.down('Control');
  await page.tab.keyboard.press('z');
  await page.until(async (share) => Math.abs((await import('/assets/studio.js')).studio.mask.share() - share) < 1e-4, painted);
  await page.tab.keyboard.press('z');
  await page.until(async () => (await import('/assets/studio.js')).studio.mask.share() === 0);
  await page.tab.keyboard.press('y');
  await page.tab.keyboard.up('Control');
  await page.until(async (share) => Math.abs((await import('/assets/studio.js')).studio.mask.share() - share) < 1e-4, painted);
  await page.tool('eraser');
  await page.drag([0.5, 0.6], [0.6, 0.7]);
  assert.ok((await page.share()) < painted / 20, 'the eraser takes the stroke away');
  await page.tab.click('#undo');
  await page.shot('painting');

  const [x, y] = await page.at(0.5, 0.5);
  await page.tab.mouse.move(x, y);
  await page.tab.mouse.wheel({ deltaY: -400 });
  await page.until(async () => (await import('/assets/app.js')).view.fitted === false);
  const { scale } = await page.look();
  const size = await page.tab.$eval('#size', (input) => Number(input.value));
  await page.tab.keyboard.down('Alt');
  await page.tab.mouse.wheel({ deltaY: -400 });
  await page.tab.keyboard.up('Alt');
  await page.until((before) => Number(document.getElementById('size').value) > before, size);
  assert.equal((await page.look()).scale, scale, 'with Alt the wheel changes the brush, not the zoom');
  const wheeled = await page.tab.$eval('#size', (input) => Number(input.value));
  await page.tab.keyboard.press('[');
  assert.ok((await page.tab.$eval('#size', (input) => Number(input.value))) < wheeled);
  await page.tab.keyboard.press(']');
  assert.ok((await page.tab.$eval('#size', (input) => Number(input.value))) >= wheeled);
  await page.tab.setViewport({ width: 1100, height: 700 });
  await page.until(() => document.getElementById('view').width === 1100);
  assert.equal((await page.look()).scale, scale, 'a window of another size keeps the zoom');
  await page.tab.setViewport({ width: 1280, height: 800 });
  await page.tab.keyboard.press('0');

  const before = await page.colour(0.55, 0.65);
  const far = await page.colour(0.1, 0.1);
  await page.remove();
  assert.match(await page.text('status'), /^Done in/);
  assert.equal(await page.share(), 0, 'the mask has done its work');
  assert.ok(difference(before, await page.colour(0.55, 0.65)) > 8, 'the picture changed where it was painted');
  assert.deepEqual(await page.colour(0.1, 0.1), far, 'and nowhere else');
  assert.match(await page.text('account'), /^97 credits/);
  await page.tab.click('#compare');
  await page.appears('divider');
  await page.tab.focus('#divider');
  await page.tab.keyboard.press('ArrowLeft');
  assert.equal(await page.tab.$eval('#divider', (node) => node.getAttribute('aria-valuenow')), '48');
  await page.shot('compare');
  await page.axe('before and after');
  await page.tab.keyboard.press('v');
  await page.tab.click('#undo');
  await page.until(async () => !(await import('/assets/studio.js')).studio.doc.changed);
  assert.ok(difference(before, await page.colour(0.55, 0.65)) <= 1, 'undo goes back across the removal');
  assert.ok(Math.abs((await page.share()) - painted) < 1e-3, 'to the mask that it was made with');
  await page.tab.click('#redo');
  await page.until(async () => (await import('/assets/studio.js')).studio.doc.changed);
});

use('rectangle, lasso, invert, grow and clear', {}, async (page) => {
  await page.example('beach');
  await page.tool('rectangle');
  await page.drag([0.25, 0.25], [0.5, 0.5]);
  assert.ok(Math.abs((await page.share()) - 1 / 16) < 0.003, String(await page.share()));
  await page.tab.click('#more-button');
  await page.appears('more');
  await page.shot('more');
  await page.axe('the panel More');
  await page.tab.click('#invert');
  assert.ok(Math.abs((await page.share()) - 15 / 16) < 0.003);
  await page.tab.click('#invert');
  const square = await page.share();
  await page.tab.$eval('#grow', (input) => { input.value = '20'; input.dispatchEvent(new Event('input')); });
  const shown = await page.share();
  assert.ok(shown > square * 1.15, 'growing is shown before it is done');
  await page.tab.$eval('#grow', (input) => input.dispatchEvent(new Event('change')));
  assert.ok(Math.abs((await page.share()) - shown) < 1e-3);
  await page.tab.$eval('#grow', (input) => { input.value = '-20'; input.dispatchEvent(new Event('input')); input.dispatchEvent(new Event('change')); });
  assert.ok(Math.abs((await page.share()) - square) < 0.006, 'shrinking takes away what growing gave');
  await page.tab.click('#clear');
  assert.equal(await page.share(), 0);
  await page.tab.keyboard.press('Escape');
  await page.tool('lasso');
  const [from, over, to] = [await page.at(0.2, 0.2), await page.at(0.6, 0.2), await page.at(0.2, 0.6)];
  await page.tab.mouse.move(...from);
  await page.tab.mouse.down();
  await page.tab.mouse.move(...over, { steps: 8 });
  await page.tab.mouse.move(...to, { steps: 8 });
  await page.tab.mouse.up();
  assert.ok(Math.abs((await page.share()) - 0.08) < 0.005, 'half of a square of 0.4');
});

use('an object under the pointer is shown, clicked, corrected; a box finds one too', {}, async (page) => {
  await page.example('lighthouse');
  await page.tool('object');
  const [x, y] = await page.at(0.46, 0.4);
  await page.tab.mouse.move(x - 3, y);
  await page.tab.mouse.move(x, y);
  await page.until(async () => (await import('/assets/finder.js')).hover.area !== null);
  await page.shot('hover');
  // Each place under the pointer is answered; only a click leaves a job.
  const times = [];
  for (let n = 0; n < 10; n += 1) {
    const [px, py] = await page.at(0.3 + 0.04 * n, 0.45);
    const answered = page.tab.waitForResponse((reply) => reply.url().includes('preview=true'));
    const begun = performance.now();
    await page.tab.mouse.move(px, py);
    await answered;
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  console.log(`hover preview: median ${times[5].toFixed(0)} ms, longest ${times[9].toFixed(0)} ms, pause of the pointer included; load ${loadavg()[0].toFixed(1)}`);
  const segmentations = async () => {
    const jobs = await (await fetch(`${daemon.url}/v1/jobs?rows=100`, { headers: { Authorization: `Bearer ${daemon.key}` } })).json();
    return jobs.items.filter(({ service }) => service === 'segmentation').length;
  };
  assert.equal(await segmentations(), 0, 'previews leave no job');
  await page.tab.mouse.move(x, y);
  await page.tab.mouse.click(x, y);
  await page.appears('object-bar');
  const one = await page.share();
  assert.ok(one > 0.001 && one < 0.6, `a click marks ${one}`);
  assert.equal(await segmentations(), 1, 'a click leaves a job');
  await page.shot('object');
  await page.axe('an object');
  const answered = page.tab.waitForResponse((reply) => reply.url().includes('alternative=2') && reply.ok());
  await page.tab.click('[data-alternative="2"]');
  await answered;
  await page.until(() => document.querySelector('[data-alternative="2"]').ariaPressed === 'true');
  const corrected = page.tab.waitForResponse((reply) => reply.url().includes('labels=%5B1%2C0%5D'));
  const [nx, ny] = await page.at(0.46, 0.62);
  await page.tab.mouse.click(nx, ny, { button: 'right' });
  await corrected;
  await page.until(async () => (await import('/assets/studio.js')).studio.now.object?.points.length === 2);
  await page.tab.click('#object-next');
  await page.tool('box');
  const steps = await page.studio((studio) => studio.now.steps.length);
  await page.drag([0.02, 0.35], [0.3, 0.65]);
  await page.until(async (before) => (await import('/assets/studio.js')).studio.now.steps.length > before, steps);
  assert.ok((await page.share()) > 0.001);
});

use('a mark is saved as a mask, loaded again, and undone and redone by the other keys too', {}, async (page) => {
  const { folder, arrives } = await downloads(page);
  await page.example('boat');
  await page.drag([0.3, 0.4], [0.5, 0.6]);
  const painted = await page.share();
  await page.tab.click('#more-button');
  await page.tab.click('#mask-save');
  const file = await arrives('boat-mask.png');
  await page.tab.click('#clear');
  assert.equal(await page.share(), 0);
  const loaded = () => page.until(async (share) => Math.abs((await import('/assets/studio.js')).studio.mask.share() - share) < 1e-4, painted);
  await (await page.tab.$('#mask-file')).uploadFile(file);
  await loaded();
  await page.tab.keyboard.press('Escape');
  await page.tab.keyboard.down('Control');
  await page.tab.keyboard.press('z');
  await page.until(async () => (await import('/assets/studio.js')).studio.mask.share() === 0);
  await page.tab.keyboard.down('Shift');
  await page.tab.keyboard.press('z');
  await page.tab.keyboard.up('Shift');
  await page.tab.keyboard.up('Control');
  await loaded();
  await rm(folder, { recursive: true });
});

use('the original of all steps is seen while its button is held, and leaving with unsaved work is asked about', {}, async (page) => {
  await page.example('boat');
  // What the screen shows there, the photo below the marks.
  const shown = async (x, y) => {
    const [left, top] = await page.at(x, y);
    return page.tab.evaluate(async ([px, py]) => {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const canvas = document.getElementById('view');
      const box = canvas.getBoundingClientRect();
      const small = new OffscreenCanvas(1, 1).getContext('2d');
      small.drawImage(canvas, (px - box.x) * devicePixelRatio - 4, (py - box.y) * devicePixelRatio - 4, 8, 8, 0, 0, 1, 1);
      return [...small.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    }, [left, top]);
  };
  const places = [[0.52, 0.62], [0.85, 0.85]];
  const before = await Promise.all(places.map((place) => shown(...place)));
  for (const [x, y] of places) {
    await page.drag([x - 0.06, y - 0.03], [x + 0.06, y + 0.03]);
    await page.remove();
  }
  const after = await Promise.all(places.map((place) => shown(...place)));
  assert.ok(difference(before[0], after[0]) > 8, `${before[0]} became ${after[0]}`);
  const [x, y] = await page.tab.$eval('#original', (button) => { const box = button.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; });
  await page.tab.mouse.move(x, y);
  await page.tab.mouse.down();
  for (const [n, place] of places.entries()) assert.ok(difference(await shown(...place), before[n]) <= 2, 'the photo before the first step');
  await page.tab.mouse.up();
  for (const [n, place] of places.entries()) assert.ok(difference(await shown(...place), after[n]) <= 2, 'and the result again');
  const unsaved = () => page.studio((studio) => studio.doc.unsaved);
  await page.studio((studio) => { studio.doc.kept = studio.now.picture; });
  assert.equal(await unsaved(), false, 'what was downloaded is no loss');
  await page.tab.keyboard.down('Control');
  await page.tab.keyboard.press('z');
  await page.tab.keyboard.up('Control');
  await page.until(async () => (await import('/assets/studio.js')).studio.now.steps.length > 0);
  assert.equal(await unsaved(), true, 'marks are work, and an earlier result is another than the downloaded one');
  const asked = new Promise((done) => { page.tab.once('dialog', async (dialog) => { await dialog.accept(); done(dialog.type()); }); });
  await page.tab.close({ runBeforeUnload: true });
  assert.equal(await asked, 'beforeunload');
});

use('another of the fills is taken with one click, free of charge', {}, async (page) => {
  await page.example('boat');
  await page.drag([0.45, 0.5], [0.6, 0.7]);
  await page.remove();
  await page.appears('candidates');
  const count = await page.tab.$$eval('#candidates button', (all) => all.length);
  assert.ok(count >= 2, `${count} fills`);
  await page.shot('candidates');
  await page.axe('fills to choose from');
  const [credits, first] = [await page.text('account'), await page.colour(0.52, 0.6)];
  const other = '#candidates button[aria-pressed="false"]';
  const name = await page.tab.$eval(other, (button) => button.textContent);
  await page.tab.click(other);
  await page.until((text) => document.querySelector('#candidates button[aria-pressed="true"]').textContent === text, name);
  assert.notDeepEqual(await page.colour(0.52, 0.6), first);
  await page.tab.click('#undo');
  await page.until((text) => document.querySelector('#candidates button[aria-pressed="true"]').textContent !== text, name);
  assert.deepEqual(await page.colour(0.52, 0.6), first);
  await page.tab.evaluate(async () => (await import('/assets/account.js')).refresh());
  assert.equal(await page.text('account'), credits);
});

use('a mark over much of the photo asks first, and costs nothing when it is not meant', {}, async (page) => {
  await page.example('boat');
  await page.tool('rectangle');
  await page.drag([0.02, 0.02], [0.9, 0.9]);
  const credits = await page.text('account');
  await page.tab.click('#remove');
  await page.appears('ask');
  assert.match(await page.text('ask-text'), /covers 7\d %/);
  await page.axe('a question');
  await page.tab.click('#ask-no');
  await page.until(() => !document.getElementById('ask').open);
  assert.equal(await page.text('account'), credits);
  assert.equal(await page.studio((studio) => studio.doc.state), 'ready');
});

use('several photos with one mask, removed together and taken along as a ZIP', {}, async (page) => {
  const { folder, arrives } = await downloads(page);
  for (const name of ['boat', 'beach', 'lighthouse']) {
    await page.tab.evaluate(async (file) => {
      const { studio } = await import('/assets/studio.js');
      const blob = await (await fetch(`/assets/${file}.jpg`)).blob();
      await studio.add([new File([blob], 'same.jpg', { type: blob.type })]);
    }, name);
  }
  await page.appears('strip');
  await page.until(() => document.querySelectorAll('#strip .pick').length === 3);
  await page.drag([0.4, 0.85], [0.5, 0.85]);
  const press = (text) => page.tab.evaluate((start) => [...document.querySelectorAll('#strip .all')].find((button) => button.textContent.startsWith(start)).click(), text);
  await press('Same mask');
  await page.until(() => [...document.querySelectorAll('#strip .pick span')].every((span) => span.textContent === 'marked'));
  await page.shot('batch');
  await page.axe('several photos');
  await page.tab.click('#more-button');
  await page.tab.click('#invert');
  await page.tab.keyboard.press('Escape');
  await press('Remove in 3');
  await page.appears('ask');
  assert.match(await page.text('ask-text'), /In 1 of 3 photos/);
  await page.tab.click('#ask-no');
  await page.until(() => !document.getElementById('ask').open);
  assert.equal(await page.studio((studio) => studio.docs.every((doc) => doc.state === 'ready')), true, 'nothing was ordered');
  await page.tab.click('#undo');
  await press('Remove in 3');
  await page.appears('progress');
  await page.shot('batch-running');
  await page.until(() => [...document.querySelectorAll('#strip .pick span')].every((span) => span.textContent === 'done'));
  const listed = (file) => {
    const read = 'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(",".join(z.namelist()))';
    return execFileSync('python3', ['-c', read, file], { encoding: 'utf8' }).trim();
  };
  const expected = 'same-clean.jpg,same-clean (2).jpg,same-clean (3).jpg';
  const zip = async () => {
    await press('ZIP of 3');
    await page.appears('download-dialog');
    await page.tab.click('#download-go');
  };
  // Nobody can answer the browser's own question for a file here: one of the page's private files takes its place.
  await page.tab.evaluate(() => {
    window.showSaveFilePicker = async ({ suggestedName }) => (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
  });
  await zip();
  await page.until(() => document.getElementById('status').textContent === '3 photos are in the ZIP');
  const written = await page.tab.evaluate(async () => {
    const file = await (await (await navigator.storage.getDirectory()).getFileHandle('cleanplate.zip')).getFile();
    const url = await new Promise((done) => { const reader = new FileReader(); reader.onload = () => done(reader.result); reader.readAsDataURL(file); });
    return url.slice(url.indexOf(',') + 1);
  });
  await writeFile(join(folder, 'streamed.zip'), Buffer.from(written, 'base64'));
  assert.equal(listed(join(folder, 'streamed.zip')), expected);
  await page.tab.evaluate(() => { window.showSaveFilePicker = undefined; });
  await zip();
  assert.equal(listed(await arrives('cleanplate.zip')), expected, 'a browser without the picker downloads the same');
  await rm(folder, { recursive: true });
});

use('a result is downloaded in another format as the service writes it', {}, async (page) => {
  const { folder, arrives } = await downloads(page);
  await page.example('boat');
  await page.drag([0.45, 0.6], [0.5, 0.6]);
  await page.tab.click('#more-button');
  await page.tab.type('#dilate', '2');
  await page.tab.type('#feather', '5');
  await page.tab.keyboard.press('Escape');
  const ordered = page.tab.waitForRequest((request) => request.method() === 'POST' && request.url().includes('object-removal'));
  await page.remove();
  for (const option of ['dilate=2', 'feather=5']) assert.ok((await ordered).url().includes(option), `${option} in ${(await ordered).url()}`);
  await page.tab.click('#download');
  await page.appears('download-dialog');
  await page.tab.select('#format', 'image/webp');
  assert.match(await page.text('format-note'), /by the service/);
  await page.axe('the question for a format');
  await page.shot('download');
  const asked = page.tab.waitForResponse((reply) => reply.url().includes('output_format=webp&quality=90'));
  await page.tab.click('#download-go');
  assert.equal((await asked).headers()['content-type'], 'image/webp');
  await arrives('boat-clean.webp');
  await rm(folder, { recursive: true });
});

use('a removal tells how far it is, and cancelling keeps the mark and the credits', {}, async (page) => {
  await page.example('boat');
  await page.drag([0.2, 0.5], [0.8, 0.9]);
  const credits = await page.text('account');
  const marked = await page.share();
  await page.tab.click('#remove');
  await page.until(() => /%/.test(document.getElementById('progress-text').textContent));
  // A fill moves while it is made, not only when it is done.
  const filling = () => page.tab.evaluate(() => /^Filling (by|with)/.test(document.getElementById('progress-text').textContent) ? document.getElementById('progress-bar').value : null);
  const told = new Set();
  for (let n = 0; n < 600 && told.size < 3; n += 1) {
    const value = await filling();
    if (value !== null) told.add(value);
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.ok(told.size >= 3, `the bar showed ${[...told]} while the hole was filled`);
  await page.shot('progress');
  await page.axe('a removal under way');
  await page.tab.click('#cancel');
  await page.until(() => document.getElementById('status').textContent.startsWith('Cancelled'));
  assert.ok(Math.abs((await page.share()) - marked) < 1e-4);
  await page.tab.evaluate(async () => (await import('/assets/account.js')).refresh());
  assert.equal(await page.text('account'), credits);
});

use('keys alone mark, and remove', {}, async (page) => {
  await page.example('boat');
  await page.tab.focus('#view');
  await page.tab.keyboard.press('ArrowRight');
  await page.tab.keyboard.down('Space');
  for (let n = 0; n < 5; n += 1) await page.tab.keyboard.press('ArrowRight');
  await page.tab.keyboard.up('Space');
  const stroke = await page.share();
  assert.ok(stroke > 0.002, String(stroke));
  await page.tab.keyboard.press('r');
  await page.tab.focus('#view');
  await page.tab.keyboard.press('Enter');
  await page.tab.keyboard.down('Shift');
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) await page.tab.keyboard.press(key);
  await page.tab.keyboard.up('Shift');
  await page.tab.keyboard.press('Enter');
  const boxed = await page.share();
  assert.ok(boxed > stroke * 1.5);
  await page.tab.keyboard.press('l');
  await page.tab.focus('#view');
  await page.tab.keyboard.down('Shift');
  for (const keys of [['ArrowUp', 'ArrowUp'], ['ArrowRight', 'ArrowRight'], ['ArrowDown', 'ArrowLeft']]) {
    for (const key of keys) await page.tab.keyboard.press(key);
    await page.tab.keyboard.press('Enter');
  }
  assert.equal(await page.share(), boxed, 'an open lasso marks nothing');
  await page.tab.keyboard.press('Enter');
  await page.tab.keyboard.up('Shift');
  assert.ok((await page.share()) > boxed * 1.05, 'a second Enter closes it');
  await page.tab.keyboard.down('Control');
  await page.tab.keyboard.press('Enter');
  await page.tab.keyboard.up('Control');
  await page.until(() => document.getElementById('status').textContent.startsWith('Done'));
});

use('on a phone the toolbar is one row of large targets, and two fingers paint nothing', { viewport: PHONE }, async (page) => {
  await page.shot('phone-empty');
  await page.axe('the empty page on a phone');
  await page.example('boat');
  await page.shot('phone');
  await page.axe('a photo on a phone');
  const boxes = await page.tab.$$eval('header button, header a, .bar button, #tools button', (buttons) => buttons.filter((button) => button.checkVisibility()).map((button) => ({ name: button.textContent, ...button.getBoundingClientRect().toJSON() })));
  for (const { name, width, height } of boxes) assert.ok(width >= 44 && height >= 44, `${name} is ${width}x${height}`);
  const rows = await page.tab.$$eval('#toolbar > button', (buttons) => new Set(buttons.filter((button) => button.checkVisibility()).map((button) => button.getBoundingClientRect().top)).size);
  assert.equal(rows, 1);
  assert.ok(boxes.every(({ right }) => right <= 390), 'nothing is cut off');
  await page.tab.click('#tool-menu');
  await page.appears('tools');
  await page.shot('phone-tools');
  await page.tab.click('[data-tool="brush"]');
  const session = await page.tab.createCDPSession();
  const touch = (type, ...points) => session.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const before = await page.look();
  await touch('touchStart', [150, 300]);
  await touch('touchStart', [150, 300], [250, 400]);
  for (let n = 1; n <= 5; n += 1) await touch('touchMove', [150 - 8 * n, 300 - 8 * n], [250 + 8 * n, 400 + 8 * n]);
  await touch('touchEnd');
  assert.equal(await page.studio((studio) => studio.now.steps.length), 0, 'pinching paints nothing');
  assert.ok((await page.look()).scale > before.scale * 1.3, 'it zooms');
  await touch('touchStart', [150, 300]);
  await touch('touchMove', [190, 320]);
  await touch('touchEnd');
  assert.equal(await page.studio((studio) => studio.now.steps.length), 1, 'one finger paints');
});

use('in the dark', { dark: true }, async (page) => {
  await page.shot('dark-empty');
  await page.axe('the empty page in the dark');
  await page.example('beach');
  await page.drag([0.3, 0.3], [0.4, 0.5]);
  await page.shot('dark');
  await page.axe('a photo in the dark');
});

use('on a phone in the dark', { dark: true, viewport: PHONE }, async (page) => {
  await page.axe('the empty page on a phone in the dark');
  await page.example('beach');
  await page.shot('phone-dark');
  await page.axe('a photo on a phone in the dark');
});

for (const dark of [false, true]) {
  use(`the description of the interface, ${dark ? 'dark' : 'light'}`, { path: '/docs', dark }, async (page) => {
    await page.until(() => document.querySelectorAll('.op').length > 10);
    await page.shot(`docs-${dark ? 'dark' : 'light'}`);
    await page.axe('/docs');
    const first = await page.tab.$eval('#groups .op', (node) => node.id);
    assert.equal(first, 'remove_object', 'services come first');
    await page.tab.$$eval('.op', (all) => all.forEach((node) => { node.open = true; }));
    await page.axe('/docs with everything open');
    await page.tab.$$eval('.op', (all) => all.forEach((node) => { node.open = false; }));
    await page.tab.$eval('#get_account', (node) => { node.open = true; });
    await page.tab.click('#get_account .try button');
    await page.until(() => document.querySelector('#get_account .try [role="status"]').textContent.includes('"balance"'));
    await page.tab.$eval('#get_account [role="tab"]:nth-child(2)', (tab) => tab.click());
    assert.match(await page.tab.$eval('#get_account pre', (pre) => pre.textContent), /requests\.get/);
    // A photo and its mask, as files; what else the form has is text.
    await page.tab.$eval('#remove_object', (node) => { node.open = true; });
    const photos = join(process.env.REPOSITORY, 'benches/photos/');
    for (const [name, file] of [['image', 'boat.png'], ['mask', 'boat_mask.png']]) {
      await (await page.tab.$(`#remove_object .try [name="${name}"]`)).uploadFile(photos + file);
    }
    assert.equal(await page.tab.$eval('#remove_object .try [name="points"]', (input) => input.type), 'text');
    await page.tab.type('#remove_object .try [name="dry_run"]', 'true');
    await page.tab.$eval('#remove_object .try button', (button) => button.click());
    await page.until(() => document.querySelector('#remove_object .try [role="status"]').textContent.includes('"dry_run": true'));
    const example = await page.tab.$eval('#remove_object pre', (pre) => pre.textContent);
    assert.ok(example.includes('photo.jpg') && !example.includes('box'), example);
    assert.ok(!(await page.tab.$eval('main', (node) => node.textContent)).includes('`'), 'what is code is shown as code');
    await page.tab.type('#find', 'segmentation');
    const found = await page.tab.$$eval('#groups .op', (all) => all.filter((node) => !node.hidden).map((node) => node.id));
    assert.ok(found.includes('segment') && !found.includes('get_metrics'), String(found));
  });
}

use('a daemon that goes away is said, and the work goes on when it is back', {}, async (page) => {
  await page.example('boat');
  await page.drag([0.4, 0.4], [0.5, 0.5]);
  await daemon.kill();
  await page.tab.click('#remove');
  await page.appears('offline');
  await page.shot('offline');
  await page.axe('the page without its daemon');
  await daemon.run();
  await page.until(() => !document.getElementById('offline').checkVisibility());
  await page.until(() => document.getElementById('status').textContent.startsWith('Done'));
});

test('on one\'s own machine no key is asked for', async () => {
  const own = await Daemon.start({ flags: ['--open'] });
  try {
    const page = await Page.open(browser, own, { key: null });
    await page.example('boat');
    await page.drag([0.4, 0.4], [0.5, 0.5]);
    await page.remove();
    assert.equal(await page.seen('account'), false);
    assert.match(await page.text('status'), /^Done in/);
    await page.close();
    const foreign = await fetch(`${own.url}/v1/account`, { headers: { Origin: 'http://elsewhere.example' } });
    assert.equal(foreign.status, 401, 'another site gets nothing');
  } finally {
    await own.stop();
  }
});

test('Firefox paints, clicks and removes too', async () => {
  const firefox = await launch('firefox');
  try {
    const page = await Page.open(firefox, daemon);
    await page.example('boat');
    await page.drag([0.4, 0.4], [0.5, 0.5]);
    assert.ok((await page.share()) > 0.002);
    await page.remove();
    assert.match(await page.text('status'), /^Done in/);
    await page.tool('object');
    const before = await page.share();
    await page.tab.mouse.click(...(await page.at(0.3, 0.65)));
    await page.appears('object-bar');
    assert.ok((await page.share()) > before, 'a click marks');
    await page.shot('firefox');
    await page.axe('Firefox');
    await page.close();
  } finally {
    await firefox.close();
  }
});
