// Looks for objects: what points or a box mean, and what lies under the pointer. Both work on a small copy of the photo, which the
// service recognises, so that only the first search on a photo takes long.

import { account } from './account.js';
import * as api from './api.js';
import { clamp } from './geometry.js';
import { areaOf } from './mask.js';
import { studio } from './studio.js';

/** Pause of the pointer before the object under it is looked for, in milliseconds. */
const REST_MS = 70;
/** Preview of nearly everything helps nobody. */
const HOVER_SHARE_MAX = 0.6;

/** Whether the service shows previews: where segmentations have a price there are none. */
const previews = () => account?.prices.segmentation === 0;

async function search(picture, { points, box, alternative, preview }, signal) {
  const { blob, scale, width, height } = await picture.reduced();
  const to = (x, y) => [Math.round(clamp(x * scale, 0, width - 1)), Math.round(clamp(y * scale, 0, height - 1))];
  const prompts = {
    points: points.map(([x, y, label]) => [...to(x, y), label]),
    box: box && [...to(box[0], box[1]), ...to(box[2], box[3])],
    alternative,
    preview,
  };
  return areaOf(await api.segment(blob, prompts, signal));
}

let finding = null;

/** The area that an object's prompts mean: { image, share }; null when another search took its place. */
export async function find(picture, object) {
  finding?.abort();
  const controller = new AbortController();
  finding = controller;
  const found = await search(picture, object, controller.signal);
  return finding === controller ? found : null;
}

export function giveUp() {
  finding?.abort();
  finding = null;
}

/** What lies under the pointer. One search at a time, of the last place asked for. */
class Hover {
  area = null;
  #wanted = null;
  #running = false;
  #timer = 0;
  #pausedUntil = 0;

  at(point) {
    clearTimeout(this.#timer);
    this.#wanted = point;
    this.#timer = setTimeout(() => this.#look(), REST_MS);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#wanted = null;
    if (this.area) {
      this.area = null;
      studio.changed();
    }
  }

  async #look() {
    if (this.#running || !this.#wanted || !previews() || Date.now() < this.#pausedUntil) return;
    const point = this.#wanted;
    const picture = studio.now?.picture;
    this.#running = true;
    try {
      const { image, share } = await search(picture, { points: [[...point, 1]], box: null, preview: true }, new AbortController().signal);
      if (this.#wanted && picture === studio.now?.picture) this.area = share < HOVER_SHARE_MAX ? image : null;
    } catch (error) {
      // A preview is an extra: without one the click still says what is wrong.
      this.area = null;
      this.#pausedUntil = Date.now() + 1000 * (error.wait || (error.status === 422 ? 0 : 5));
    }
    this.#running = false;
    studio.changed();
    if (this.#wanted && this.#wanted !== point) this.#look();
  }
}

export const hover = new Hover();

/** Lets the service look at a photo before anything is asked of it. */
export function prepare(picture, [width, height]) {
  if (!previews()) return Promise.resolve(null);
  return search(picture, { points: [[width / 2, height / 2, 1]], box: null, preview: true }, new AbortController().signal).catch(() => null);
}
