// One removal by the page of a daemon that runs: ./run.sh --remove URL KEY.

import assert from 'node:assert/strict';

import { Page, launch } from './harness.mjs';

const [url, key] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await Page.open(browser, { url, key });
  await page.example('beach');
  await page.drag([0.5, 0.6], [0.6, 0.7]);
  await page.remove();
  const status = await page.text('status');
  assert.match(status, /^Done in/);
  console.log(`the page: ${status}; ${await page.text('account')}`);
  await page.close();
} finally {
  await browser.close();
}
