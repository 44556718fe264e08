// The page to try the service with: open a photo, mark what shall go, compare before and after.

import * as api from './api.js';
import { Mask } from './mask.js';
import { View } from './view.js';

const $ = (id) => document.getElementById(id);
const view = new View($('view'));
const state = { file: null, photo: null, mask: null, result: null, tool: 'brush', cursor: null, busy: false };
// Prompts of the object being looked for, the request for it, and whether the mask's last step is its answer.
Object.assign(state, { points: [], box: null, search: null, proposed: false });

function say(text, alarm = false) {
  $('status').textContent = text;
  $('status').className = alarm ? 'alarm' : '';
}

function fail(error) {
  if (error.name === 'AbortError') return;
  say(error.message, true);
  if (error.status === 401) $('key').focus();
}

function refresh() {
  const marking = state.photo && !state.result && !state.busy;
  $('hint').hidden = Boolean(state.photo);
  $('after').hidden = !state.result;
  $('remove').disabled = !marking || state.mask.empty;
  for (const id of ['undo', 'clear']) $(id).disabled = !marking || (state.mask.empty && state.points.length === 0);
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.disabled = !marking;
    button.setAttribute('aria-pressed', String(button.dataset.tool === state.tool));
  }
  view.show(state);
}

async function showAccount() {
  const key = $('key').value.trim();
  $('account').textContent = '';
  if (!key) return;
  sessionStorage.setItem('key', key);
  try {
    const account = await api.account(key);
    $('account').textContent = `${account.name}: ${account.balance} credits, ${account.prices.removal} for a removal`;
    say('');
  } catch (error) {
    fail(error);
  }
}

async function open(file) {
  if (state.busy) return;
  let photo;
  try {
    photo = await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    return say(`${file.name || 'this'} is not a picture that the browser can show`, true);
  }
  state.photo?.close();
  Object.assign(state, { file, photo, mask: new Mask(photo.width, photo.height), result: null });
  forget();
  $('radius').value = String(Math.min(200, Math.max(6, Math.round(Math.min(photo.width, photo.height) / 30))));
  refresh();
  view.fit();
  say(`${file.name || 'picture'}: ${photo.width} x ${photo.height}`);
}

/** The next click starts another object. */
function forget() {
  state.search?.abort();
  Object.assign(state, { points: [], box: null, search: null, proposed: false });
}

async function findObject() {
  state.search?.abort();
  const search = new AbortController();
  state.search = search;
  say('looking for the object …');
  try {
    const blob = await api.segment($('key').value.trim(), state.file, state.points, state.box, search.signal);
    if (state.search !== search) return;
    await state.mask.propose(blob, state.proposed);
    state.proposed = true;
    say('click again to correct it (Shift: not this), or paint');
  } catch (error) {
    fail(error);
  }
  refresh();
}

async function remove() {
  if ($('remove').disabled) return;
  state.busy = true;
  refresh();
  say('removing …');
  try {
    const answer = await api.remove($('key').value.trim(), state.file, await state.mask.png());
    state.answer = answer.blob;
    state.result = await createImageBitmap(answer.blob, { imageOrientation: 'from-image' });
    view.split = 0.5;
    const link = $('download');
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(answer.blob);
    link.download = `clean-${state.file.name || 'picture'}`;
    forget();
    await showAccount();
    say(`done in ${(answer.ms / 1000).toFixed(1)} s for ${answer.credits} credits, ${answer.left} left; drag to compare`);
  } catch (error) {
    fail(error);
  }
  state.busy = false;
  refresh();
}

function choose(tool) {
  state.tool = tool;
  state.cursor = null;
  forget();
  refresh();
}

// Pointers: one draws, two pinch, the middle button or Space drags the view.
const pointers = new Map();
let spaceHeld = false;

function pinch(event) {
  const before = [...pointers.values()];
  pointers.set(event.pointerId, event);
  const after = [...pointers.values()];
  const span = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  view.pan({ movementX: event.movementX / 2, movementY: event.movementY / 2 });
  const [a, b] = after;
  view.zoom({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }, span(after) / Math.max(span(before), 1));
}

function press(event) {
  if (!state.photo || state.busy) return;
  $('view').setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  state.drag = spaceHeld || event.button === 1 ? 'pan' : state.result ? 'slide' : state.tool;
  const [x, y] = view.at(event);
  if (pointers.size > 1) state.drag = 'pinch';
  else if (state.drag === 'slide') view.slide(event);
  else if (state.drag === 'brush' || state.drag === 'eraser') {
    state.mask.begin(x, y, Number($('radius').value), state.drag === 'eraser');
    state.proposed = false;
  } else if (state.drag === 'click') {
    const inside = x >= 0 && y >= 0 && x < state.photo.width && y < state.photo.height;
    if (inside) state.points.push([Math.floor(x), Math.floor(y), event.shiftKey || event.button === 2 ? 0 : 1]);
    if (inside) findObject();
  } else if (state.drag === 'box') state.box = [x, y, x, y];
  refresh();
}

function move(event) {
  if (pointers.size > 1 && pointers.has(event.pointerId)) return pinch(event);
  const [x, y] = view.at(event);
  const painting = state.tool === 'brush' || state.tool === 'eraser';
  state.cursor = state.photo && painting && !state.result ? { x, y, radius: Number($('radius').value) } : null;
  if (pointers.has(event.pointerId)) {
    if (state.drag === 'pan') view.pan(event);
    else if (state.drag === 'slide') view.slide(event);
    else if (state.drag === 'brush' || state.drag === 'eraser') state.mask.extend(x, y);
    else if (state.drag === 'box' && state.box) state.box = [state.box[0], state.box[1], x, y];
  }
  view.draw();
}

function release(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (state.drag === 'box' && state.box) {
    const [w, h] = [state.photo.width, state.photo.height];
    const clamp = (v, most) => Math.round(Math.min(Math.max(v, 0), most));
    const [x1, y1, x2, y2] = state.box;
    state.box = [clamp(Math.min(x1, x2), w - 1), clamp(Math.min(y1, y2), h - 1), clamp(Math.max(x1, x2), w - 1), clamp(Math.max(y1, y2), h - 1)];
    const real = state.box[2] - state.box[0] > 2 && state.box[3] - state.box[1] > 2;
    state.points = [];
    state.proposed = false;
    if (real) findObject();
    else state.box = null;
  }
  state.drag = null;
  refresh();
}

function shortcut(event) {
  if (event.target instanceof HTMLInputElement && event.target.type !== 'range') return;
  const tool = { b: 'brush', e: 'eraser', c: 'click', x: 'box' }[event.key];
  const step = { '[': 1 / 1.2, ']': 1.2 }[event.key];
  if ((event.ctrlKey || event.metaKey) && event.key === 'z') undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (tool && state.photo && !state.result) choose(tool);
  else if (step) $('radius').value = String(Math.ceil(Number($('radius').value) * step));
  else if (event.key === '0') view.fit();
  else if (event.key === 'Enter' && event.target === $('view')) remove();
  else if (event.key === ' ' && event.target === $('view')) spaceHeld = true;
  else return;
  event.preventDefault();
}

function undo() {
  if ($('undo').disabled) return;
  state.mask.undo();
  forget();
  refresh();
}

$('view').addEventListener('pointerdown', press);
$('view').addEventListener('pointermove', move);
$('view').addEventListener('pointerup', release);
$('view').addEventListener('pointercancel', release);
$('view').addEventListener('contextmenu', (event) => event.preventDefault());
$('view').addEventListener('wheel', (event) => { event.preventDefault(); view.zoom(event, Math.exp(-event.deltaY / 400)); }, { passive: false });
addEventListener('keydown', shortcut);
addEventListener('keyup', (event) => { if (event.key === ' ') spaceHeld = false; });
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]); });
addEventListener('paste', (event) => { if (event.clipboardData.files[0]) open(event.clipboardData.files[0]); });
for (const button of document.querySelectorAll('[data-tool]')) button.addEventListener('click', () => choose(button.dataset.tool));
$('file').addEventListener('change', (event) => { if (event.target.files[0]) open(event.target.files[0]); });
$('undo').addEventListener('click', undo);
$('clear').addEventListener('click', () => { state.mask.clear(); forget(); refresh(); });
$('fit').addEventListener('click', () => view.fit());
$('remove').addEventListener('click', remove);
$('back').addEventListener('click', () => { state.result = null; refresh(); });
$('continue').addEventListener('click', () => open(new File([state.answer], state.file.name || 'picture', { type: state.answer.type })));
$('key').addEventListener('change', showAccount);
$('key-form').addEventListener('submit', (event) => { event.preventDefault(); showAccount(); });
$('key').value = sessionStorage.getItem('key') || '';
showAccount();
refresh();
