// The marked area. It is what a list of steps draws, so that undo needs no copies of large pictures.
//
// Steps: { kind: 'stroke', radius, erase, at }, { kind: 'shape', erase, at }, { kind: 'picture', image } (its opaque part is
// marked, whatever its size), { kind: 'object', image } (the same, of an object that is still being looked for),
// { kind: 'invert' }, { kind: 'grow', by } (pixels, below 0 shrinks). Lengths are pixels of the photo.

import { growth, shrunk } from './geometry.js';

export const COLOUR = '#ff2d6f';
/** Directions in which a shape is moved to widen it. */
const DIRECTIONS = 24;
/** Side of the small copy that areas are measured on. */
const SAMPLE = 256;

export function canvas(width, height) {
  return Object.assign(document.createElement('canvas'), { width, height });
}

export class Mask {
  #drawn = [];

  constructor(width, height) {
    this.canvas = canvas(width, height);
    this.context = this.canvas.getContext('2d');
  }

  /** Shows what `steps` draw. Steps that are drawn already are not drawn again. */
  render(steps) {
    const kept = this.#drawn.every((step, index) => step === steps[index]);
    if (!kept) {
      this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.#drawn = [];
    }
    for (const step of steps.slice(this.#drawn.length)) this.#draw(step);
    this.#drawn = [...steps];
  }

  /** Begins a step that grows with the pointer: it is drawn at once, and is part of the mask once it is rendered with others. */
  begin(step) {
    this.#drawn = [...this.#drawn, step];
    this.#draw(step);
  }

  extend(step, point) {
    step.at.push(point);
    this.#segment(step, step.at.length - 1);
  }

  /** Share of the photo that is marked, 0 to 1. */
  share() {
    return this.measure().share;
  }

  /** The share, and the box around what is marked: [x1, y1, x2, y2], null when nothing is. */
  measure() {
    const { width, height, scale } = shrunk([this.canvas.width, this.canvas.height], SAMPLE);
    const small = canvas(width, height).getContext('2d', { willReadFrequently: true });
    small.drawImage(this.canvas, 0, 0, width, height);
    const { data } = small.getImageData(0, 0, width, height);
    let sum = 0;
    let box = null;
    for (let i = 3; i < data.length; i += 4) {
      sum += data[i];
      if (data[i] === 0) continue;
      const [x, y] = [((i - 3) / 4) % width, Math.floor((i - 3) / 4 / width)];
      box = box ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)] : [x, y, x + 1, y + 1];
    }
    return { share: sum / 255 / (width * height), box: box?.map((length) => length / scale) ?? null };
  }

  /** White where something is to be removed, black elsewhere. */
  png() {
    const { width, height } = this.canvas;
    const out = canvas(width, height);
    const context = out.getContext('2d');
    context.drawImage(this.canvas, 0, 0);
    for (const [mode, colour] of [['source-in', '#fff'], ['destination-over', '#000']]) {
      context.globalCompositeOperation = mode;
      context.fillStyle = colour;
      context.fillRect(0, 0, width, height);
    }
    return toBlob(out, 'image/png');
  }

  #draw(step) {
    const { context } = this;
    const { width, height } = this.canvas;
    if (step.kind === 'stroke') step.at.forEach((_, index) => this.#segment(step, index));
    else if (step.kind === 'shape') this.#shape(step);
    else if (step.kind === 'invert') this.#invert();
    else if (step.kind === 'grow') this.#grow(step.by);
    else context.drawImage(step.image, 0, 0, width, height);
  }

  #segment(step, index) {
    const { context } = this;
    context.globalCompositeOperation = step.erase ? 'destination-out' : 'source-over';
    context.strokeStyle = COLOUR;
    context.lineWidth = 2 * step.radius;
    context.lineCap = 'round';
    const [from, to] = [step.at[Math.max(index - 1, 0)], step.at[index]];
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0], to[1] + (index === 0 ? 0.01 : 0)); // a dot needs some length
    context.stroke();
    context.globalCompositeOperation = 'source-over';
  }

  #shape({ at, erase }) {
    const { context } = this;
    context.globalCompositeOperation = erase ? 'destination-out' : 'source-over';
    context.fillStyle = COLOUR;
    context.beginPath();
    at.forEach(([x, y]) => context.lineTo(x, y));
    context.closePath();
    context.fill();
    context.globalCompositeOperation = 'source-over';
  }

  #invert() {
    const { context } = this;
    context.globalCompositeOperation = 'source-out';
    context.fillStyle = COLOUR;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.globalCompositeOperation = 'source-over';
  }

  #grow(by) {
    if (by < 0) this.#invert();
    const { width, height } = this.canvas;
    for (const step of growth(Math.abs(by))) {
      const before = canvas(width, height);
      before.getContext('2d').drawImage(this.canvas, 0, 0);
      for (let n = 0; n < DIRECTIONS; n += 1) {
        const angle = (2 * Math.PI * n) / DIRECTIONS;
        this.context.drawImage(before, step * Math.cos(angle), step * Math.sin(angle));
      }
    }
    if (by < 0) this.#invert();
  }
}

export function toBlob(picture, type, quality) {
  return new Promise((done, fail) => {
    const got = (blob) => (blob?.type === type ? done(blob) : fail(new Error(`this browser cannot write ${type.replace('image/', '').toUpperCase()}`)));
    picture.toBlob(got, type, quality);
  });
}

/** What is white in a picture (128 and brighter), as an opaque area of the mask's colour. */
export async function areaOf(blob) {
  const bitmap = await createImageBitmap(blob);
  const area = canvas(bitmap.width, bitmap.height);
  const context = area.getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, area.width, area.height);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(COLOUR.slice(at, at + 2), 16));
  let marked = 0;
  for (let i = 0; i < pixels.data.length; i += 4) {
    const bright = pixels.data[i] >= 128 && pixels.data[i + 3] >= 128;
    marked += Number(bright);
    pixels.data.set([red, green, blue, bright ? 255 : 0], i);
  }
  context.putImageData(pixels, 0, 0);
  return { image: area, share: marked / (area.width * area.height) };
}
