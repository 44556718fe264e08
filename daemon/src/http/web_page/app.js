// The page: photos in, marks on them, removals, results out. Every part has a module of its own; here they meet.

import * as account from './account.js';
import * as api from './api.js';
import * as download from './download.js';
import * as finder from './finder.js';
import * as removal from './removal.js';
import { $, ask, open, save, say } from './page.js';
import { areaOf } from './mask.js';
import { showCandidates, showProgress, showStrip, startDivider } from './panels.js';
import { studio } from './studio.js';
import { Tools } from './tools.js';
import { View } from './view.js';

export const view = new View($('view'));
const ui = { compare: null, batch: null, grow: 0 };

const tools = new Tools(view, {
  click: clicked,
  box: (box) => look({ points: [], box, alternative: null }),
  stroke: () => { if ($('at-once').checked) remove(); },
  size: (size) => { $('size').value = String(size); },
  cursor: ([x, y]) => $('view').setAttribute('aria-label', `Photo, cursor at ${Math.round(x)}, ${Math.round(y)}`),
});
tools.busy = () => Boolean(ui.compare);

function fail(error) {
  if (error.name === 'AbortError') return;
  if (error.status === 401) return account.askForKey('The service does not take this key.');
  if (error.status === 0) studio.dispatchEvent(new Event('offline'));
  say(error.message, true);
}

// What is shown

function scene() {
  const { doc, now } = studio;
  if (!doc) return {};
  const [photo, before] = [now.picture.bitmap, doc.history.first.picture.bitmap];
  return {
    photo, before, compare: ui.compare && before ? ui.compare : null, mask: studio.mask,
    hover: tools.tool === 'object' ? finder.hover.area : null,
    points: now.object?.points, box: tools.box, lasso: tools.lasso, ring: tools.ring, cursor: tools.cursor,
  };
}

const draw = () => view.show(scene());

function refresh() {
  const { doc, now, docs } = studio;
  const running = doc?.state === 'running';
  const compared = Boolean(doc?.changed);
  if (!compared) ui.compare = null;
  $('empty').hidden = Boolean(doc);
  for (const id of ['work', 'view', 'add']) $(id).hidden = !doc;
  $('download').hidden = !docs.some((other) => other.changed);
  $('download').disabled = !compared;
  for (const id of ['compare', 'original']) $(id).hidden = !compared;
  $('compare').setAttribute('aria-pressed', String(ui.compare === 'split'));
  $('divider').hidden = ui.compare !== 'split';
  $('undo').disabled = running || !doc?.history.canUndo;
  $('redo').disabled = running || !doc?.history.canRedo;
  $('remove').disabled = running || !doc?.marked;
  for (const id of ['invert', 'clear', 'mask-save', 'grow', 'mask-file']) $(id).disabled = running || !doc || (!doc.marked && id !== 'mask-file' && id !== 'invert');
  for (const button of document.querySelectorAll('[data-tool]')) button.setAttribute('aria-pressed', String(button.dataset.tool === tools.tool));
  $('size-label').hidden = tools.tool !== 'brush' && tools.tool !== 'eraser';
  $('object-bar').hidden = running || !['object', 'box'].includes(tools.tool) || !now?.object;
  for (const button of document.querySelectorAll('[data-alternative]')) button.setAttribute('aria-pressed', String((now?.object?.alternative ?? 1) === Number(button.dataset.alternative)));
  $('point-add').setAttribute('aria-pressed', String(!tools.negative));
  $('point-not').setAttribute('aria-pressed', String(tools.negative));
  showStrip({ spread, removeAll, downloadAll: () => download.download(true), close: closeDoc, more: Boolean(ui.batch) });
  showCandidates((index) => act(() => removal.take(doc, index)), fail);
  showProgress(ui.batch);
  draw();
}

async function act(what) {
  try {
    await what();
  } catch (error) {
    fail(error);
  }
  refresh();
}

// Photos

async function add(files) {
  const refused = await studio.add([...files]);
  if (refused.length) say(`The browser cannot show ${refused.join(', ')}: open JPEG, PNG or WebP files`, true);
}

async function example(name) {
  const blob = await (await fetch(new URL(name, import.meta.url))).blob();
  await add([new File([blob], name, { type: blob.type })]);
  say('Paint over what shall go, or take Object and click on it');
}

async function closeDoc(doc) {
  if (doc.unsaved && !(await ask(`Close ${doc.name}?`, 'What was done to it was not downloaded.', 'Close it'))) return;
  await studio.close(doc);
}

function choose(tool) {
  tools.choose(tool);
  $('tool-icon').setAttribute('href', `#i-${tool}`);
  $('tool-name').textContent = document.querySelector(`[data-tool="${tool}"] span`).textContent;
  toggleMenu(false);
  warm();
  refresh();
}

/** Where objects are to be looked for, the service looks at the photo before it is asked. */
function warm() {
  if (studio.doc && ['object', 'box'].includes(tools.tool)) finder.prepare(studio.now.picture, studio.doc.size);
}

function toggleMenu(on) {
  $('tool-menu').setAttribute('aria-expanded', String(on));
}

// Objects

function clicked(point, event) {
  const going = event.ctrlKey || event.metaKey ? null : studio.now.object;
  look(going ? { ...going, points: [...going.points, point] } : { points: [point], box: null, alternative: null });
}

/** Looks for an object; what is found takes the place of what the same object's earlier prompts found. */
async function look(object) {
  const { doc, now } = studio;
  const steps = now.object && object.points.length + Boolean(object.box) > 1 ? now.steps.slice(0, -1) : now.steps;
  const kept = isSame(now.object, object) ? steps : now.steps;
  say('Looking for the object …');
  finder.hover.clear();
  try {
    const found = await finder.find(now.picture, object);
    if (!found || studio.doc !== doc || studio.now !== now) return;
    studio.replaceSteps([...kept, { kind: 'object', image: found.image }], object);
    say(object.points.length ? 'Click again to correct it, or go on with the next object' : '');
  } catch (error) {
    fail(error.status === 422 ? new Error('Nothing was found there: click in the middle of the object, or paint it') : error);
  }
  refresh();
}

/** Whether two sets of prompts are of one object: the later one continues the earlier. */
function isSame(before, after) {
  return Boolean(before) && before.box === after.box && (before.points[0] ?? null) === (after.points[0] ?? null);
}

function nextObject() {
  finder.giveUp();
  if (!studio.now?.object) return;
  studio.doc.history.amend({ ...studio.now, object: null });
  tools.negative = false;
  refresh();
}

// Removals

function options() {
  const number = (id) => ($(id).value.trim() ? { [id]: $(id).value.trim() } : {});
  const pipeline = account.pipeline();
  return { ...number('dilate'), ...number('feather'), ...(pipeline ? { pipeline } : {}) };
}

async function remove() {
  const { doc } = studio;
  if (!doc?.marked || doc.state === 'running') return;
  finder.giveUp();
  finder.hover.clear();
  tools.abandon();
  const mask = await studio.maskOf(doc);
  const { share } = mask;
  if (share === 0) return say('Nothing is marked: paint over what shall go', true);
  const much = `The mark covers ${Math.round(share * 100)} % of the photo. Is that what shall go?`;
  if (share > removal.SHARE_ASKED && !(await ask('Remove that much?', much, 'Remove it'))) return;
  await act(async () => {
    say('');
    const reply = await removal.remove(doc, options(), mask);
    if (!reply) return say('Cancelled; nothing was charged');
    await account.refresh();
    warm();
    say([`Done in ${(reply.result.processing_time_ms / 1000).toFixed(1)} s`, ...reply.result.warnings].join('. '));
  });
}

async function spread() {
  const count = await studio.spread();
  say(`The mask is on ${count} more photo${count === 1 ? '' : 's'}; change it on each as you like`);
}

async function removeAll() {
  const docs = studio.docs.filter((doc) => doc.marked && doc.state !== 'running');
  tools.abandon();
  say('');
  const much = docs.filter((doc) => studio.shareOf(doc) > removal.SHARE_ASKED).length;
  const told = `In ${much} of ${docs.length} photos the mark covers more than ${removal.SHARE_ASKED * 100} %. Is that what shall go?`;
  if (much && !(await ask('Remove that much?', told, 'Remove it'))) return;
  const controller = new AbortController();
  ui.batch = { total: docs.length, controller };
  refresh();
  await act(async () => {
    const { done, failed, stop } = await removal.removeAll(docs, options(), controller.signal);
    ui.batch = null;
    await account.refresh();
    if (stop && stop.name !== 'AbortError') throw stop;
    say(`${done} of ${docs.length} photos are done${failed ? `, ${failed} failed: their marks are kept` : ''}`, failed > 0);
  });
  ui.batch = null;
  refresh();
}

function cancel() {
  if (ui.batch) ui.batch.controller.abort();
  else studio.doc?.controller?.abort();
}

// The mask as a whole

async function loadMask(file) {
  const { image } = await areaOf(file);
  const [width, height] = studio.doc.size;
  if (image.width * height !== image.height * width) say('The mask has another shape than the photo: it was stretched', true);
  studio.mark({ kind: 'picture', image });
}

async function saveMask() {
  save((await studio.maskOf(studio.doc)).png, `${studio.doc.name.replace(/\.[^.]*$/, '')}-mask.png`);
}

/** Shows the mask grown or shrunk while the slider moves; it is a step once it rests. */
function grow(settled) {
  const by = Math.round(view.length(Number($('grow').value)));
  const step = { kind: 'grow', by };
  $('grow-told').textContent = `${by} px`;
  if (settled && by) studio.mark(step);
  else studio.mask.render(by ? [...studio.now.steps, step] : studio.now.steps);
  if (settled) $('grow').value = '0';
  if (settled) $('grow-told').textContent = '0 px';
  draw();
}

// Looking

function compare(mode) {
  ui.compare = studio.doc?.changed ? mode : null;
  tools.abandon();
  refresh();
}

const isSplit = () => ui.compare === 'split';

function holdOriginal(on) {
  if (on && ui.compare !== 'hold') [ui.behind, ui.compare] = [ui.compare, studio.doc?.changed ? 'hold' : null];
  else if (!on && ui.compare === 'hold') ui.compare = ui.behind;
  refresh();
}

function fitMargins() {
  const toolbar = $('toolbar').getBoundingClientRect();
  const narrow = innerWidth <= 560;
  view.margins = narrow ? [6, 8, 6, toolbar.height + 26] : [12, $('strip').hidden ? 12 : 112, 12, toolbar.height + 30];
}

// Keys

const isTyping = (target) => target instanceof HTMLElement && target.matches('input:not([type="range"], [type="checkbox"], [type="radio"]), select, textarea');

function shortcut(event) {
  if (document.querySelector('dialog[open]') || isTyping(event.target)) return;
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  const acts = command ? { z: event.shiftKey ? redo : undo, y: redo, enter: remove } : plain(event);
  if (!acts[key] || event.altKey) return;
  event.preventDefault();
  acts[key]();
}

function plain() {
  const tool = (name) => () => choose(name);
  return {
    b: tool('brush'), e: tool('eraser'), r: tool('rectangle'), l: tool('lasso'), c: tool('object'), x: tool('box'),
    '[': () => tools.resize(tools.size / 1.2), ']': () => tools.resize(tools.size * 1.2 + 1),
    '0': () => view.fit(), '1': () => view.zoom(view.ratio / view.look.scale), '+': () => view.zoom(1.25), '-': () => view.zoom(0.8),
    n: nextObject, v: () => compare(isSplit() ? null : 'split'), o: () => holdOriginal(true), '?': help,
  };
}

const help = () => open($('help-dialog'));
const undo = () => { if (!$('undo').disabled) act(() => studio.undo()); };
const redo = () => { if (!$('redo').disabled) act(() => studio.redo()); };

// The service went away: said until it is back

let watching = false;
async function watchService() {
  if (watching) return;
  watching = true;
  $('offline').hidden = false;
  while (!(await api.alive())) await new Promise((done) => setTimeout(done, 2000));
  $('offline').hidden = true;
  watching = false;
  await account.refresh().catch(() => {});
}

function on(id, type, act) {
  $(id).addEventListener(type, act);
}

function wire() {
  studio.addEventListener('change', refresh);
  studio.addEventListener('draw', draw);
  studio.addEventListener('select', () => { fitMargins(); draw(); view.fit(); warm(); });
  studio.addEventListener('offline', watchService);
  for (const button of document.querySelectorAll('[data-tool]')) button.addEventListener('click', () => choose(button.dataset.tool));
  for (const button of document.querySelectorAll('[data-example]')) button.addEventListener('click', () => act(() => example(button.dataset.example)));
  for (const button of document.querySelectorAll('[data-alternative]')) {
    button.addEventListener('click', () => studio.now.object && look({ ...studio.now.object, alternative: Number(button.dataset.alternative) }));
  }
  on('tool-menu', 'click', () => toggleMenu($('tool-menu').getAttribute('aria-expanded') !== 'true'));
  on('view', 'pointerdown', () => toggleMenu(false));
  on('add', 'click', () => $('file').click());
  for (const [id, take] of [['file', (files) => add(files)], ['mask-file', ([file]) => loadMask(file)]]) {
    on(id, 'change', (event) => {
      const files = [...event.target.files];
      event.target.value = '';
      if (files.length) act(() => take(files));
    });
  }
  on('size', 'input', () => tools.resize(Number($('size').value)));
  on('undo', 'click', undo);
  on('redo', 'click', redo);
  on('remove', 'click', remove);
  on('cancel', 'click', cancel);
  on('download', 'click', () => download.download(false));
  on('fit', 'click', () => view.fit());
  on('compare', 'click', () => compare(isSplit() ? null : 'split'));
  on('original', 'pointerdown', () => holdOriginal(true));
  for (const type of ['pointerup', 'pointercancel', 'pointerleave', 'blur']) on('original', type, () => holdOriginal(false));
  on('original', 'keydown', (event) => { if (event.key === ' ' || event.key === 'Enter') holdOriginal(true); });
  on('original', 'keyup', () => holdOriginal(false));
  on('point-add', 'click', () => { tools.negative = false; refresh(); });
  on('point-not', 'click', () => { tools.negative = true; refresh(); });
  on('object-next', 'click', nextObject);
  on('invert', 'click', () => studio.mark({ kind: 'invert' }));
  on('clear', 'click', () => studio.replaceSteps([]));
  on('mask-save', 'click', () => act(saveMask));
  on('grow', 'input', () => grow(false));
  on('grow', 'change', () => grow(true));
  on('help', 'click', help);
  addEventListener('keydown', shortcut);
  addEventListener('keyup', (event) => { if (event.key.toLowerCase() === 'o') holdOriginal(false); });
  addEventListener('blur', () => holdOriginal(false));
  addEventListener('resize', fitMargins);
  addEventListener('dragover', (event) => { event.preventDefault(); document.body.classList.add('over'); });
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.body.classList.remove('over'); });
  addEventListener('drop', (event) => {
    event.preventDefault();
    document.body.classList.remove('over');
    if (event.dataTransfer.files.length) act(() => add(event.dataTransfer.files));
  });
  addEventListener('paste', (event) => { if (event.clipboardData.files.length) act(() => add(event.clipboardData.files)); });
  addEventListener('beforeunload', (event) => { if (studio.docs.some((doc) => doc.unsaved)) event.preventDefault(); });
}

wire();
startDivider(view);
download.start();
refresh();
account.start().catch(fail);
