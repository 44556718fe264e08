// Files out of results: as the service made them, or written anew by it in another format. What it no longer has the browser writes.

import * as api from './api.js';
import { $, open, save, say } from './page.js';
import { canvas, toBlob } from './mask.js';
import { studio } from './studio.js';
import { zip, zipped } from './zip.js';

const ENDS = { 'image/jpeg': 'jpg', 'image/png': 'png', 'image/webp': 'webp' };
const LOSSY = ['image/jpeg', 'image/webp'];

/** The type that is asked for; of a photo that no browser writes (BMP), that of the result. */
function wanted(doc) {
  const { value } = $('format');
  const own = doc.history.first.picture.blob.type;
  if (value !== 'same') return value;
  return ENDS[own] ? own : doc.now.picture.blob.type;
}

/** The result of a photo in the format that was chosen, as { name, blob }. */
async function result(doc) {
  const { blob, job } = doc.now.picture;
  const type = wanted(doc);
  const untouched = blob.type === type && $('format').value === 'same';
  const name = `${doc.name.replace(/\.[^.]*$/, '')}-clean.${ENDS[type] ?? 'png'}`;
  if (untouched || (blob.type === type && type === 'image/png')) return { name, blob };
  return { name, blob: (await converted(job, type)) ?? (await written(blob, type)) };
}

const quality = () => Number($('quality').value);

/** Attempts at a conversion while the service is busy with those of others. */
const ATTEMPTS_MAX = 5;

/** The result in another type by the service, which keeps camera data and colours; null where it no longer has it, does not write it
 * (a JPEG of transparency) or stays busy. */
async function converted(job, type) {
  if (!job?.url) return null;
  const form = { output_format: type.replace('image/', ''), ...(LOSSY.includes(type) ? { quality: quality() } : {}) };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.file(job.url, new AbortController().signal, form);
    } catch (error) {
      if ([0, 403, 404, 410, 422].includes(error.status)) return null;
      if (![429, 503, 507].includes(error.status)) throw error;
      if (attempt === ATTEMPTS_MAX) return null;
      await new Promise((done) => { setTimeout(done, (error.wait || 2) * 1000); });
    }
  }
}

async function written(blob, type) {
  const bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
  const out = canvas(bitmap.width, bitmap.height);
  const context = out.getContext('2d');
  if (type === 'image/jpeg') {
    context.fillStyle = '#fff'; // a JPEG has no transparency
    context.fillRect(0, 0, out.width, out.height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return toBlob(out, type, quality() / 100);
}

function describe() {
  const docs = chosen();
  const types = new Set(docs.map(wanted));
  const kept = docs.every((doc) => $('format').value === 'same' && doc.now.picture.blob.type === wanted(doc));
  $('quality-field').hidden = kept || ![...types].some((type) => LOSSY.includes(type));
  $('quality-told').textContent = $('quality').value;
  $('format-note').textContent = kept
    ? 'As the service made it: what was not removed is unchanged, camera data and colour profile are kept.'
    : docs.every((doc) => doc.now.picture.job?.url)
      ? 'Written anew by the service from its result: camera data and colour profile are kept.'
      : 'Written anew by your browser: 8 bits a colour, without camera data.';
}

const changed = () => studio.docs.filter((doc) => doc.changed);
let all = false;
const chosen = () => (all ? changed() : [studio.doc]);

/** The results one after another, each made once the one before is written. `shown` learns which picture of each it was. */
async function* results(docs, shown) {
  for (const [index, doc] of docs.entries()) {
    say(`Writing ${index + 1} of ${docs.length}`);
    shown.set(doc, doc.now.picture);
    yield await result(doc);
  }
}

/** Writes a ZIP straight into a file where the browser can, so that the archive is never held as a whole; whether it was written. */
async function saveZip(docs, shown) {
  const name = 'cleanplate.zip';
  if (!window.showSaveFilePicker) {
    save(await zip(results(docs, shown)), name);
    return true;
  }
  const types = [{ description: 'ZIP archive', accept: { 'application/zip': ['.zip'] } }];
  const picked = await window.showSaveFilePicker({ suggestedName: name, types }).catch((error) => {
    if (error.name === 'AbortError') return null;
    throw error;
  });
  if (!picked) return false;
  const file = await picked.createWritable();
  try {
    for await (const part of zipped(results(docs, shown))) await file.write(part);
    await file.close();
  } catch (error) {
    await file.abort().catch(() => {}); // half an archive is none
    throw error;
  }
  return true;
}

/** Asks for the format and saves the photo that is shown, or all that were changed as a ZIP. */
export async function download(everything) {
  all = everything;
  const docs = chosen();
  $('download-title').textContent = all ? `Download ${docs.length} photos` : 'Download';
  describe();
  if ((await open($('download-dialog'))) !== 'yes') return;
  const shown = new Map();
  try {
    if (all) {
      if (!(await saveZip(docs, shown))) return;
      say(`${docs.length} photos are in the ZIP`);
    } else {
      shown.set(docs[0], docs[0].now.picture);
      const { name, blob } = await result(docs[0]);
      save(blob, name);
    }
    docs.forEach((doc) => { doc.kept = shown.get(doc); });
    studio.changed();
  } catch (error) {
    say(error.message, true);
  }
}

export function start() {
  $('format').addEventListener('change', describe);
  $('quality').addEventListener('input', describe);
}
