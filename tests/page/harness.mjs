// A daemon with a data folder of its own, a browser, and what the tests of the page do in it again and again.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

const BINARY = process.env.CLEANPLATE;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Folder for a picture of the page at every step that asks for one; none are made without it. */
const SHOTS = process.env.PAGE_SHOTS;

const CONFIG = `
[rate_limits]
removal_per_minute = 100000
segmentation_per_minute = 100000
read_per_minute = 100000
public_per_minute = 100000
[pipelines]
allowed = ["fast"]
`;

/** A port that nobody listens on, below those that the system gives to connections: a daemon is started on it again. */
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await new Promise((done) => server.once('listening', () => done(true)).once('error', () => done(false)));
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

/** A running daemon. */
export class Daemon {
  static async start({ flags = [], config = CONFIG } = {}) {
    const daemon = new Daemon();
    daemon.dir = await mkdtemp(join(tmpdir(), 'page-'));
    await writeFile(join(daemon.dir, 'test.toml'), config);
    daemon.port = await freePort();
    daemon.url = `http://127.0.0.1:${daemon.port}`;
    daemon.flags = flags;
    await daemon.run();
    return daemon;
  }

  async run() {
    const args = ['serve', '--backend', 'cpu', '--listen', `127.0.0.1:${this.port}`, '--data', this.dir, '--config', join(this.dir, 'test.toml'), ...this.flags];
    // No browser of this machine is to be opened by the daemon.
    this.child = spawn(BINARY, args, { env: { ...process.env, PATH: this.dir }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => { this.log += text; });
    for (let n = 0; n < 600; n += 1) {
      if (await fetch(`${this.url}/readyz`).then((reply) => reply.ok, () => false)) break;
      assert.equal(this.child.exitCode, null, this.log);
      await new Promise((done) => setTimeout(done, 100));
    }
    this.key ??= /sk-live-[A-Za-z0-9]+/.exec(this.log)?.[0];
  }

  async kill() {
    const ended = new Promise((done) => this.child.once('exit', done));
    this.child.kill('SIGTERM');
    await ended;
  }

  async stop() {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export function launch(browser = 'chrome') {
  const path = browser === 'chrome' ? (process.env.CHROMIUM ?? '/usr/bin/chromium') : (process.env.FIREFOX ?? '/usr/bin/firefox-esr');
  const args = browser === 'chrome' ? ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb'] : [];
  return puppeteer.launch({ browser, executablePath: path, headless: true, args });
}

export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

/** One tab. Faults of the page's own scripts, and what its policy refuses, fail the test that looks. */
export class Page {
  static async open(browser, daemon, { key = daemon.key, viewport = WIDE, path = '/', dark = false } = {}) {
    const context = await browser.createBrowserContext();
    const page = new Page();
    Object.assign(page, { context, daemon, faults: [], tab: await context.newPage() });
    page.tab.setDefaultTimeout(60_000);
    page.tab.on('pageerror', (error) => page.faults.push(error.message));
    page.tab.on('console', (message) => { if (/Content.Security.Policy/i.test(message.text())) page.faults.push(message.text()); });
    await page.tab.setViewport(viewport);
    if (dark) await page.tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    if (key) {
      // The page's own way to keep a key for a tab.
      await page.tab.goto(`${daemon.url}/healthz`);
      await page.tab.evaluate((text) => sessionStorage.setItem('key', text), key);
    }
    await page.tab.goto(daemon.url + path);
    return page;
  }

  async close() {
    assert.deepEqual(this.faults, [], 'scripts of the page failed');
    await this.context.close();
  }

  /** Calls `act(studio)` in the page with the module that holds its photos. */
  studio(act) {
    return this.tab.evaluate(`import('/assets/studio.js').then(({ studio }) => (${act})(studio))`);
  }

  share() {
    return this.studio((studio) => studio.mask.share());
  }

  text(id) {
    return this.tab.$eval(`#${id}`, (node) => node.textContent);
  }

  seen(id) {
    return this.tab.$eval(`#${id}`, (node) => node.checkVisibility());
  }

  async until(what, ...values) {
    await this.tab.waitForFunction(what, {}, ...values);
  }

  appears(id) {
    return this.until((name) => document.getElementById(name).checkVisibility(), id);
  }

  async example(name) {
    await this.tab.click(`[data-example="${name}.jpg"]`);
    await this.appears('view');
    await this.until(() => !document.getElementById('view').hidden && document.getElementById('view').width > 300);
  }

  /** Where a point of the photo, given in shares of it, is on the screen. */
  async at(x, y) {
    const size = await this.studio((studio) => studio.doc.size);
    const box = await this.tab.$eval('#view', (canvas) => canvas.getBoundingClientRect().toJSON());
    const look = await this.look();
    return [box.x + (look.x + x * size[0] * look.scale) / look.ratio, box.y + (look.y + y * size[1] * look.scale) / look.ratio];
  }

  /** How the photo is looked at: where its corner is and its scale, in device pixels. */
  look() {
    return this.tab.evaluate(async () => ({ ...(await import('/assets/app.js')).view.look, ratio: devicePixelRatio }));
  }

  async drag(from, to, steps = 12) {
    const [start, end] = [await this.at(...from), await this.at(...to)];
    await this.tab.mouse.move(...start);
    await this.tab.mouse.down();
    await this.tab.mouse.move(...end, { steps });
    await this.tab.mouse.up();
  }

  async tool(name) {
    if (await this.seen('tool-menu')) await this.tab.click('#tool-menu');
    await this.tab.click(`[data-tool="${name}"]`);
  }

  /** Removes what is marked and waits for the end. */
  async remove() {
    // What an earlier one said is no answer.
    await this.tab.$eval('#status', (node) => { node.textContent = ''; });
    await this.tab.click('#remove');
    await this.until(() => /^(Done|0 of|[1-9])|failed/.test(document.getElementById('status').textContent));
  }

  /** Mean colour of a part of the picture that is shown, given in shares of it. */
  colour(x, y, radius = 0.01) {
    const mean = ([px, py, pr]) => `async (studio) => {
      const bitmap = await studio.now.picture.open();
      const side = Math.max(1, Math.round(${pr} * bitmap.width));
      const canvas = new OffscreenCanvas(1, 1);
      const context = canvas.getContext('2d');
      context.imageSmoothingQuality = 'high';
      context.drawImage(bitmap, ${px} * bitmap.width - side, ${py} * bitmap.height - side, 2 * side, 2 * side, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    }`;
    return this.studio(mean([x, y, radius]));
  }

  async axe(what) {
    await this.tab.evaluate(AXE);
    const { violations } = await this.tab.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join('; ')}`);
    assert.deepEqual(told, [], `axe finds faults in ${what}`);
  }

  async shot(name) {
    if (!SHOTS) return;
    await mkdir(SHOTS, { recursive: true });
    await this.tab.screenshot({ path: join(SHOTS, `${name}.png`) });
  }
}
