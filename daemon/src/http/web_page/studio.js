// The photos that are open, and what was done to each. It says 'change' whenever something is to be shown anew.

import { shrunk } from './geometry.js';
import { History } from './history.js';
import { Mask, areaOf, canvas, toBlob } from './mask.js';

/** Side of the copy that objects are looked for on: segmentation networks see no more. */
const SEARCH_SIDE = 1024;
/** Side of the pictures in the strip. */
const THUMB_SIDE = 160;

/** A picture as a file, decoded while it is shown. */
export class Picture {
  #reduced = null;

  constructor(blob, job = null) {
    this.blob = blob;
    this.bitmap = null;
    this.job = job; // how it was made: { candidates, chosen }; null for the photo as it was opened
  }

  async open() {
    this.bitmap ??= await createImageBitmap(this.blob, { imageOrientation: 'from-image' });
    return this.bitmap;
  }

  close() {
    this.bitmap?.close();
    this.bitmap = null;
  }

  /** The copy that objects are looked for on: { blob, scale, width, height }. It is made once: the service keeps what it saw in it. */
  reduced() {
    this.#reduced ??= this.#reduce();
    return this.#reduced;
  }

  async #reduce() {
    const bitmap = await this.open();
    const { width, height, scale } = shrunk([bitmap.width, bitmap.height], SEARCH_SIDE);
    const small = canvas(width, height);
    const context = small.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, width, height);
    return { blob: await toBlob(small, 'image/jpeg', 0.95), scale, width, height };
  }
}

/** One photo. `state`: 'ready', 'running', 'failed'; `done`: share of the run, null while it is not known. */
class Doc {
  constructor(file) {
    const picture = new Picture(file);
    Object.assign(this, { name: file.name || 'picture.png', type: file.type, state: 'ready', done: null, note: '', thumb: '', size: null, controller: null });
    this.history = new History({ picture, steps: [], object: null });
    this.kept = picture; // what was downloaded last, or opened
  }

  get now() {
    return this.history.now;
  }

  /** Whether it is another picture than the one that was opened. */
  get changed() {
    return this.now.picture !== this.history.first.picture;
  }

  get marked() {
    return this.now.steps.length > 0;
  }

  /** Whether something would be lost with it: marks, a removal under way, a result that was not downloaded. */
  get unsaved() {
    return this.marked || this.state === 'running' || (this.changed && this.now.picture !== this.kept);
  }
}

class Studio extends EventTarget {
  docs = [];
  doc = null;
  mask = null;

  get now() {
    return this.doc?.now ?? null;
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /** Opens files; those that are no pictures are returned with why. The first of them is shown. */
  async add(files) {
    const [added, refused] = [[], []];
    for (const file of files) {
      const doc = new Doc(file);
      try {
        const bitmap = await doc.now.picture.open();
        doc.size = [bitmap.width, bitmap.height];
        await this.#thumb(doc);
        if (added.length || this.doc) doc.now.picture.close();
        added.push(doc);
      } catch {
        refused.push(doc.name);
      }
    }
    this.docs.push(...added);
    if (added.length) await this.select(added[0]);
    return refused;
  }

  async #thumb(doc) {
    const bitmap = await doc.now.picture.open();
    const { width, height } = shrunk([bitmap.width, bitmap.height], THUMB_SIDE);
    const small = canvas(width, height);
    small.getContext('2d').drawImage(bitmap, 0, 0, width, height);
    const blob = await toBlob(small, 'image/jpeg', 0.85);
    URL.revokeObjectURL(doc.thumb);
    doc.thumb = URL.createObjectURL(blob);
  }

  async select(doc) {
    this.doc = doc;
    this.mask = doc && new Mask(...doc.size);
    await this.settle();
    this.dispatchEvent(new Event('select'));
  }

  close(doc) {
    const at = this.docs.indexOf(doc);
    doc.controller?.abort();
    doc.history.all.forEach((state) => state.picture.close());
    URL.revokeObjectURL(doc.thumb);
    this.docs.splice(at, 1);
    return this.doc === doc ? this.select(this.docs[Math.min(at, this.docs.length - 1)] ?? null) : this.changed();
  }

  /** Decodes what is looked at, lets go of all else, and draws the mask. */
  async settle() {
    const { doc } = this;
    const wanted = doc ? [doc.now.picture, doc.history.first.picture] : [];
    await Promise.all(wanted.map((picture) => picture.open()));
    if (this.doc !== doc) return;
    for (const other of this.docs) {
      for (const { picture } of other.history.all) if (!wanted.includes(picture)) picture.close();
    }
    if (doc) this.mask.render(doc.now.steps);
    this.changed();
  }

  /** A step more on the mask. */
  mark(step, object = null) {
    this.replaceSteps([...this.now.steps, step], object);
  }

  replaceSteps(steps, object = null) {
    this.doc.history.push({ ...this.now, steps, object });
    this.mask.render(steps);
    this.changed();
  }

  /** Another picture in the place of a document's present one; its mask has done its work. */
  async advance(doc, picture) {
    await picture.open();
    doc.history.push({ picture, steps: [], object: null });
    await this.#thumb(doc);
    if (doc === this.doc) await this.settle();
    else picture.close();
    this.changed();
  }

  undo() {
    this.doc?.history.undo();
    return this.settle();
  }

  redo() {
    this.doc?.history.redo();
    return this.settle();
  }

  #maskOf(doc) {
    const mask = doc === this.doc ? this.mask : new Mask(...doc.size);
    mask.render(doc.now.steps);
    return mask;
  }

  /** The mask of a document as a file, the share of the photo that it marks, and the box around that. */
  async maskOf(doc) {
    const mask = this.#maskOf(doc);
    return { png: await mask.png(), ...mask.measure() };
  }

  /** The share of the photo that a document's mask marks. */
  shareOf(doc) {
    return this.#maskOf(doc).measure().share;
  }

  /** The present mask on every other photo that has none; returns on how many. */
  async spread() {
    const { image } = await areaOf((await this.maskOf(this.doc)).png);
    const bare = this.docs.filter((doc) => doc !== this.doc && !doc.marked);
    for (const doc of bare) doc.history.push({ ...doc.now, steps: [{ kind: 'picture', image }], object: null });
    this.changed();
    return bare.length;
  }
}

export const studio = new Studio();
