// Files out of results: as the service made them, or written anew by the browser in another format.

import { $, open, save, say } from './page.js';
import { canvas, toBlob } from './mask.js';
import { studio } from './studio.js';
import { zip } from './zip.js';

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
  const { blob } = doc.now.picture;
  const type = wanted(doc);
  const untouched = blob.type === type && $('format').value === 'same';
  const name = `${doc.name.replace(/\.[^.]*$/, '')}-clean.${ENDS[type] ?? 'png'}`;
  return { name, blob: untouched || (blob.type === type && type === 'image/png') ? blob : await written(blob, type) };
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
  return toBlob(out, type, Number($('quality').value) / 100);
}

function describe() {
  const docs = chosen();
  const types = new Set(docs.map(wanted));
  const kept = docs.every((doc) => $('format').value === 'same' && doc.now.picture.blob.type === wanted(doc));
  $('quality-field').hidden = kept || ![...types].some((type) => LOSSY.includes(type));
  $('quality-told').textContent = $('quality').value;
  $('format-note').textContent = kept
    ? 'As the service made it: what was not removed is unchanged, camera data and colour profile are kept.'
    : 'Written anew by your browser: 8 bits a colour, without camera data.';
}

const changed = () => studio.docs.filter((doc) => doc.changed);
let all = false;
const chosen = () => (all ? changed() : [studio.doc]);

/** Asks for the format and saves the photo that is shown, or all that were changed as a ZIP. */
export async function download(everything) {
  all = everything;
  const docs = chosen();
  $('download-title').textContent = all ? `Download ${docs.length} photos` : 'Download';
  describe();
  if ((await open($('download-dialog'))) !== 'yes') return;
  try {
    if (all) {
      const files = [];
      for (const doc of docs) files.push(await result(doc));
      save(await zip(files), 'cleanplate.zip');
    } else {
      const { name, blob } = await result(docs[0]);
      save(blob, name);
    }
    docs.forEach((doc) => { doc.saved = true; });
    studio.changed();
  } catch (error) {
    say(error.message, true);
  }
}

export function start() {
  $('format').addEventListener('change', describe);
  $('quality').addEventListener('input', describe);
}
