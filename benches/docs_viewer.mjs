// The daemon's own /docs beside Swagger UI with the same document, under the policy that the daemon sends: bytes, time until the
// operations are shown, height, and what axe-core finds.
//
//     npm install --prefix DIR puppeteer-core axe-core swagger-ui-dist
//     node benches/docs_viewer.mjs http://127.0.0.1:8080 DIR/node_modules

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';

const [daemon, folder] = process.argv.slice(2);
const modules = resolve(folder);
const { default: puppeteer } = await import(createRequire(`${modules}/`).resolve('puppeteer-core'));
const axe = readFileSync(`${modules}/axe-core/axe.min.js`, 'utf8');

/** Swagger UI as its own page, served as the daemon would serve it. */
async function swagger() {
  const own = await fetch(`${daemon}/docs`);
  const policy = own.headers.get('content-security-policy');
  const dist = (name) => readFileSync(`${modules}/swagger-ui-dist/${name}`);
  const page = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cleanplate</title><link rel="stylesheet" href="/ui.css"></head><body><div id="ui"></div><script src="/ui.js"></script><script src="/start.js"></script></body></html>';
  const files = {
    '/': ['text/html', page], '/ui.css': ['text/css', dist('swagger-ui.css')], '/ui.js': ['text/javascript', dist('swagger-ui-bundle.js')],
    '/start.js': ['text/javascript', "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', docExpansion: 'list' });"],
    '/openapi.json': ['application/json', await (await fetch(`${daemon}/openapi.json`)).text()],
  };
  const server = createServer((request, reply) => {
    const [type, body] = files[request.url] ?? ['text/plain', ''];
    reply.writeHead(type === 'text/plain' ? 404 : 200, { 'Content-Type': type, 'Content-Security-Policy': policy }).end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

async function measure(browser, name, url, shown, dark) {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  let bytes = 0;
  const refused = new Set();
  page.on('response', async (reply) => { if (!reply.url().endsWith('/openapi.json')) bytes += (await reply.buffer().catch(() => '')).length; });
  page.on('console', (message) => { if (/Content.Security.Policy/i.test(message.text())) refused.add(message.text()); });
  await page.setViewport({ width: 1280, height: 800 });
  if (dark) await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  const begun = performance.now();
  await page.goto(url);
  await page.waitForSelector(shown);
  const ms = performance.now() - begun;
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations.map((v) => `${v.id} (${v.impact}) ${v.nodes.length}`));
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  console.log(`| ${name}, ${dark ? 'dark' : 'light'} | ${(bytes / 1000).toFixed(0)} kB | ${ms.toFixed(0)} ms | ${height} px | ${refused.size} | ${found.join(', ') || 'nothing'} |`);
  await page.close();
}

const { server, url } = await swagger();
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu'] });
console.log(`load ${loadavg()[0].toFixed(1)}\n| viewer | loaded | shown after | height | refused by the policy | axe-core |\n| --- | --- | --- | --- | --- | --- |`);
for (const dark of [false, true]) {
  await measure(browser, 'own', `${daemon}/docs`, '.op', dark);
  await measure(browser, 'Swagger UI', url, '.opblock', dark);
}
await browser.close();
server.close();
