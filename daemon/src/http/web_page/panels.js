// What stands around the photo: the strip of photos, the fills to choose from, before and after, progress.

import { account } from './account.js';
import * as api from './api.js';
import { $, icon, make } from './page.js';
import { clamp } from './geometry.js';
import { canvas } from './mask.js';
import { studio } from './studio.js';

const told = { ready: '', running: '', failed: 'failed' };

function stateOf(doc) {
  if (doc.state === 'running') return doc.done === null ? 'waits' : `${Math.round(doc.done * 100)} %`;
  if (doc.state === 'failed') return told.failed;
  if (doc.changed && !doc.marked) return 'done';
  return doc.marked ? 'marked' : 'open';
}

let shown = '';

/** The strip is made anew only when it says something else: buttons that have the focus keep it. */
export function showStrip({ spread, removeAll, downloadAll, close, more }) {
  const { docs } = studio;
  $('strip').hidden = docs.length < 2;
  const price = account?.prices.removal ?? 0;
  const now = JSON.stringify([price, docs.map((doc) => [doc.name, doc.thumb, stateOf(doc), doc.note]), docs.indexOf(studio.doc), more]);
  if (docs.length < 2 || now === shown) return;
  shown = now;
  const focused = [...$('strip').querySelectorAll('button')].indexOf(document.activeElement);
  const photos = docs.map((doc) => photo(doc, close));
  const [marked, changed] = [docs.filter((doc) => doc.marked).length, docs.filter((doc) => doc.changed).length];
  const action = (text, act, usable, cost = 0) => make('li', {}, make('button', { type: 'button', className: 'all', onclick: act, disabled: !usable },
    make('span', { textContent: text }), make('small', { textContent: cost ? `${cost} credits` : '' })));
  const actions = [
    action('Same mask for all', spread, studio.doc.marked && marked < docs.length && !more),
    action(`Remove in ${marked}`, removeAll, marked > 0 && !more, marked * price),
    action(changed ? `ZIP of ${changed}` : 'ZIP', downloadAll, changed > 0),
  ];
  $('strip').replaceChildren(...photos, ...actions);
  if (focused >= 0) $('strip').querySelectorAll('button')[focused]?.focus();
}

function photo(doc, close) {
  const state = stateOf(doc);
  const pick = make('button', { type: 'button', className: 'pick', title: doc.note || doc.name, onclick: () => studio.select(doc) },
    make('img', { src: doc.thumb, alt: doc.name }), make('span', { textContent: state }));
  pick.setAttribute('aria-current', String(doc === studio.doc));
  const drop = make('button', { type: 'button', className: 'drop-it', title: `Close ${doc.name}`, onclick: () => close(doc) }, icon('close'));
  drop.setAttribute('aria-label', `Close ${doc.name}`);
  return make('li', {}, pick, drop);
}

const NAMES = { best: 'Best of each', network: 'Network', closer: 'Closer look', patches: 'Patches' };
/** Pixels of a fill's picture, and how much is seen around the hole. */
const FILL = { width: 208, height: 156, around: 0.35 };
let fills = null;

/** The fills that the last removal made, one click to take another one. */
export function showCandidates(take, fail) {
  const job = studio.now?.picture.job;
  const some = (job?.candidates.length ?? 0) > 1 && studio.doc.state !== 'running';
  $('candidates').hidden = !some;
  if (!some || fills === job) return;
  fills = job;
  $('candidates').replaceChildren(...job.candidates.map((candidate, index) => {
    const picture = canvas(FILL.width, FILL.height);
    drawFill(candidate, job.box, picture).catch(fail);
    const name = NAMES[candidate.name] ?? candidate.name;
    const button = make('button', { type: 'button', onclick: () => take(index), title: `Take this one: ${name}` }, picture, make('span', { textContent: name }));
    button.setAttribute('aria-pressed', String(index === job.chosen));
    return button;
  }));
}

/** The filled hole of a candidate and some of what is around it. */
async function drawFill(candidate, box, picture) {
  candidate.blob ??= await api.file(candidate.url, new AbortController().signal);
  const bitmap = await createImageBitmap(candidate.blob, { imageOrientation: 'from-image' });
  const [x1, y1, x2, y2] = box ?? [0, 0, bitmap.width, bitmap.height];
  const scale = Math.max((x2 - x1) * (1 + FILL.around) / FILL.width, (y2 - y1) * (1 + FILL.around) / FILL.height, 0.25);
  const [width, height] = [Math.min(FILL.width * scale, bitmap.width), Math.min(FILL.height * scale, bitmap.height)];
  const left = clamp((x1 + x2 - width) / 2, 0, bitmap.width - width);
  const top = clamp((y1 + y2 - height) / 2, 0, bitmap.height - height);
  const context = picture.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, left, top, width, height, 0, 0, picture.width, picture.height);
  bitmap.close();
}

export function showProgress(batch) {
  const { doc } = studio;
  const running = doc?.state === 'running' || Boolean(batch);
  $('progress').hidden = !running;
  if (!running) return;
  const busy = studio.docs.filter((other) => other.state === 'running');
  const ended = (batch?.total ?? 1) - busy.length;
  const told = doc.state === 'running' && doc.done !== null ? doc : busy.find((other) => other.done !== null);
  $('progress-text').textContent = (batch ? `${ended} of ${batch.total} photos · ` : '') + (told?.note || 'Removing');
  const done = batch ? (ended + busy.reduce((sum, other) => sum + (other.done ?? 0), 0)) / batch.total : doc.done;
  if (done === null || done === undefined) $('progress-bar').removeAttribute('value');
  else $('progress-bar').value = done;
}

/** The edge between before and after: dragged, or moved by arrow keys. */
export function startDivider(view) {
  const divider = $('divider');
  const set = (share) => {
    view.split = clamp(share, 0, 1);
    divider.style.setProperty('--split', `${view.split * 100}%`);
    divider.setAttribute('aria-valuenow', String(Math.round(view.split * 100)));
    view.draw();
  };
  divider.addEventListener('pointerdown', (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener('pointermove', (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = view.canvas.getBoundingClientRect();
    set((event.clientX - box.left) / box.width);
  });
  divider.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    set(view.split + step);
  });
  set(0.5);
}
