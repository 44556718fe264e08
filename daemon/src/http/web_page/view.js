// The canvas: photo, marks and result under one zoomable look. Positions handed out are in pixels of the photo.

import { fit, resized, zoomAround } from './geometry.js';

const SEEN = { mark: 0.5, hover: 0.4 };

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.look = { scale: 1, x: 0, y: 0 };
    this.fitted = true; // until somebody zooms or drags: then a new size of the window keeps what is looked at
    this.margins = [0, 0, 0, 0]; // CSS pixels that bars cover: left, top, right, bottom
    this.split = 0.5; // share of the view that shows the photo before
    this.scene = {}; // { photo, before, compare, mask, hover, points, box, lasso, ring, cursor }
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  #resize() {
    const before = [this.canvas.width, this.canvas.height];
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * this.ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * this.ratio));
    if (this.fitted) this.fit();
    else this.look = resized(this.look, before, [this.canvas.width, this.canvas.height]);
    this.draw();
  }

  show(scene) {
    this.scene = scene;
    this.draw();
  }

  fit() {
    const { photo } = this.scene;
    this.fitted = true;
    const margins = this.margins.map((pixels) => pixels * this.ratio);
    if (photo) this.look = fit([photo.width, photo.height], [this.canvas.width, this.canvas.height], margins);
    this.draw();
  }

  /** Where an event is, in device pixels of the canvas. */
  device(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  at(event) {
    const [x, y] = this.device(event);
    return [(x - this.look.x) / this.look.scale, (y - this.look.y) / this.look.scale];
  }

  /** Photo pixels in so many CSS pixels. */
  length(cssPixels) {
    return (cssPixels * this.ratio) / this.look.scale;
  }

  zoom(factor, at = [this.canvas.width / 2, this.canvas.height / 2]) {
    this.look = zoomAround(this.look, at, factor);
    this.fitted = false;
    this.draw();
  }

  /** Moves by CSS pixels. */
  pan(dx, dy) {
    this.look = { ...this.look, x: this.look.x + dx * this.ratio, y: this.look.y + dy * this.ratio };
    this.fitted = false;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#paint();
    });
  }

  #paint() {
    const context = this.canvas.getContext('2d');
    const { width, height } = this.canvas;
    const { photo, before, compare, mask, hover } = this.scene;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!photo) return;
    const look = () => context.setTransform(this.look.scale, 0, 0, this.look.scale, this.look.x, this.look.y);
    context.imageSmoothingEnabled = this.look.scale < 3;
    context.imageSmoothingQuality = 'high';
    look();
    context.drawImage(compare === 'hold' ? before : photo, 0, 0);
    if (compare === 'split') this.#split(context, before, look);
    if (compare) return;
    const size = [photo.width, photo.height];
    for (const [layer, seen] of [[mask?.canvas, SEEN.mark], [hover, SEEN.hover]]) {
      if (!layer) continue;
      context.globalAlpha = seen;
      context.drawImage(layer, 0, 0, ...size);
    }
    context.globalAlpha = 1;
    this.#marks(context);
  }

  #split(context, before, look) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.save();
    context.beginPath();
    context.rect(0, 0, this.split * this.canvas.width, this.canvas.height);
    context.clip();
    look();
    context.drawImage(before, 0, 0);
    context.restore();
  }

  #marks(context) {
    const { points = [], box, lasso, ring, cursor } = this.scene;
    const pixel = this.length(1);
    for (const [x, y, label] of points) {
      circle(context, x, y, 6 * pixel);
      context.fillStyle = label ? '#0a7d33' : '#c01f1f';
      context.fill();
      twice(context, pixel, () => context.stroke());
      context.beginPath(); // plus or minus: not by colour alone
      context.moveTo(x - 3 * pixel, y);
      context.lineTo(x + 3 * pixel, y);
      if (label) context.moveTo(x, y - 3 * pixel);
      if (label) context.lineTo(x, y + 3 * pixel);
      context.lineWidth = 1.5 * pixel;
      context.strokeStyle = '#fff';
      context.stroke();
    }
    if (box) twice(context, pixel, () => context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]));
    if (lasso) {
      context.beginPath();
      lasso.forEach(([x, y]) => context.lineTo(x, y));
      twice(context, pixel, () => context.stroke());
    }
    if (ring) {
      circle(context, ring.x, ring.y, ring.radius);
      twice(context, pixel, () => context.stroke());
    }
    if (cursor) {
      const arm = 12 * pixel;
      context.beginPath();
      context.moveTo(cursor[0] - arm, cursor[1]);
      context.lineTo(cursor[0] + arm, cursor[1]);
      context.moveTo(cursor[0], cursor[1] - arm);
      context.lineTo(cursor[0], cursor[1] + arm);
      twice(context, pixel, () => context.stroke());
    }
  }
}

function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

/** A dark line under a light one is seen on every photo. */
function twice(context, pixel, stroke) {
  for (const [width, colour] of [[3, 'rgb(0 0 0 / 55%)'], [1.5, '#fff']]) {
    context.lineWidth = width * pixel;
    context.strokeStyle = colour;
    stroke();
  }
}
