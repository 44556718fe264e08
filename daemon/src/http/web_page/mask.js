// The marked area as a list of steps: undo replays the list, so that no copies of a large mask are kept.

const COLOUR = '#ff2d55';

export class Mask {
  constructor(width, height) {
    this.canvas = Object.assign(document.createElement('canvas'), { width, height });
    this.steps = [];
  }

  get empty() {
    return this.steps.length === 0;
  }

  /** A stroke of radius `radius` pixels from [x, y]; `extend` draws it on. */
  begin(x, y, radius, erase) {
    this.steps.push({ kind: 'stroke', radius, erase, at: [[x, y]] });
    this.#segment(this.steps.at(-1), 0);
  }

  extend(x, y) {
    const step = this.steps.at(-1);
    step.at.push([x, y]);
    this.#segment(step, step.at.length - 1);
  }

  /** The service's mask for prompts, in place of the one for the same object's earlier prompts. */
  async propose(blob, replace) {
    const bitmap = await createImageBitmap(blob);
    const canvas = Object.assign(document.createElement('canvas'), { width: this.canvas.width, height: this.canvas.height });
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] >= 128 ? 255 : 0;
    context.putImageData(pixels, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = COLOUR;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (replace && this.steps.at(-1)?.kind === 'proposal') this.steps.pop();
    this.steps.push({ kind: 'proposal', canvas });
    this.#replay();
  }

  undo() {
    this.steps.pop();
    this.#replay();
  }

  clear() {
    this.steps = [];
    this.#replay();
  }

  /** White where something is to be removed, black elsewhere. */
  png() {
    const { width, height } = this.canvas;
    const out = Object.assign(document.createElement('canvas'), { width, height });
    const context = out.getContext('2d');
    context.drawImage(this.canvas, 0, 0);
    for (const [mode, colour] of [['source-in', '#fff'], ['destination-over', '#000']]) {
      context.globalCompositeOperation = mode;
      context.fillStyle = colour;
      context.fillRect(0, 0, width, height);
    }
    return new Promise((done, fail) => out.toBlob((blob) => (blob ? done(blob) : fail(new Error('the browser could not write the mask'))), 'image/png'));
  }

  #segment(step, index) {
    const context = this.canvas.getContext('2d');
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

  #replay() {
    const context = this.canvas.getContext('2d');
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const step of this.steps) {
      if (step.kind === 'proposal') context.drawImage(step.canvas, 0, 0);
      else step.at.forEach((_, index) => this.#segment(step, index));
    }
  }
}
