// Pointers and keys on the photo: what they mark, and how the look at it is moved.

import { boxInside, clamp, outline } from './geometry.js';
import { hover } from './finder.js';
import { studio } from './studio.js';

export const SIZE = { least: 2, most: 120 };
/** Pixels of the screen below which a drag is a click. */
const CLICK_PX = 4;
/** Share of the photo that an arrow key moves the cursor by, and by which more with Shift. */
const ARROW = { share: 0.01, far: 8 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * `tools` holds the tool in hand and what it is in the middle of. It calls `on.click([x, y, label], event)` and `on.box(box)` to look
 * for objects, `on.stroke()` after a stroke, `on.size(px)` when the brush changed.
 */
export class Tools {
  tool = 'brush';
  size = 22; // radius of the brush in CSS pixels: zooming in makes it finer
  negative = false; // clicks say "not this"
  ring = null;
  cursor = null;
  lasso = null;
  box = null;
  busy = () => false;

  #pointers = new Map();
  #gesture = null; // { kind, step, start, erase }
  #space = false;
  #pen = false;
  #corner = null;
  #corners = null; // of a lasso that keys draw

  constructor(view, on) {
    this.view = view;
    this.on = on;
    const { canvas } = view;
    canvas.addEventListener('pointerdown', (event) => this.#press(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    canvas.addEventListener('pointerup', (event) => this.#release(event));
    canvas.addEventListener('pointercancel', (event) => this.#drop(event));
    canvas.addEventListener('pointerleave', () => this.#leave());
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('keyup', (event) => this.#keyUp(event));
    canvas.addEventListener('blur', () => this.#stopKeys());
  }

  get marking() {
    return studio.doc && studio.doc.state !== 'running' && !this.busy();
  }

  get #radius() {
    return this.view.length(this.size);
  }

  get #brushes() {
    return this.tool === 'brush' || this.tool === 'eraser';
  }

  choose(tool) {
    this.abandon();
    this.tool = tool;
    if (tool !== 'object') hover.clear();
  }

  resize(size) {
    this.size = clamp(Math.round(size), SIZE.least, SIZE.most);
    if (this.ring) this.ring.radius = this.#radius;
    this.on.size(this.size);
    studio.changed();
  }

  /** Leaves whatever is half done. */
  abandon() {
    this.#gesture = null;
    Object.assign(this, { lasso: null, box: null });
    this.#corner = null;
    this.#corners = null;
    this.#stopKeys();
    if (studio.doc) studio.mask.render(studio.now.steps);
    studio.changed();
  }

  #press(event) {
    if (!studio.doc) return;
    this.view.canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    this.cursor = null;
    if (this.#corners) this.abandon();
    if (this.#pointers.size > 1) {
      // Two fingers zoom: what the first of them began was none of it.
      this.abandon();
      this.#gesture = { kind: 'pinch' };
      return;
    }
    if (this.#space || event.button === 1 || this.busy()) this.#gesture = { kind: 'pan' }; // before and after are looked at, not marked
    else if (this.marking && (event.button === 0 || this.tool === 'object')) this.#begin(event, this.view.at(event));
    this.view.canvas.classList.toggle('drag', this.#gesture?.kind === 'pan');
  }

  #begin(event, at) {
    const erase = event.altKey || this.tool === 'eraser';
    this.#gesture = { kind: this.tool, start: [event.clientX, event.clientY], erase };
    if (this.#brushes) {
      const step = { kind: 'stroke', radius: this.#radius, erase, at: [at] };
      this.#gesture.step = step;
      studio.mask.begin(step);
    } else if (this.tool === 'lasso') this.lasso = [at];
    else if (this.tool === 'box' || this.tool === 'rectangle') this.box = [...at, ...at];
    this.view.draw();
    studio.changed();
  }

  #move(event) {
    if (!studio.doc) return;
    const at = this.view.at(event);
    this.#showRing(event, at);
    if (!this.#pointers.has(event.pointerId)) {
      if (this.tool === 'object' && this.marking && event.pointerType !== 'touch') this.#hover(at);
      return this.#redraw();
    }
    const gesture = this.#gesture;
    if (gesture?.kind === 'pinch') {
      if (this.#pointers.size > 1) this.#pinch(event);
    } else if (gesture?.kind === 'pan') {
      const before = this.#pointers.get(event.pointerId);
      this.view.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    } else if (gesture?.step) studio.mask.extend(gesture.step, at);
    else if (gesture?.kind === 'lasso') this.lasso.push(at);
    else if (this.box) this.box = [this.box[0], this.box[1], ...at];
    this.#pointers.set(event.pointerId, event);
    this.#redraw();
  }

  #redraw() {
    studio.dispatchEvent(new Event('draw'));
  }

  #showRing(event, [x, y]) {
    const shown = this.#brushes && this.marking && event.pointerType !== 'touch' && !this.#space;
    this.ring = shown ? { x, y, radius: this.#radius } : null;
    this.view.canvas.classList.toggle('ring', shown);
  }

  #hover([x, y]) {
    if (this.#inside([x, y])) hover.at([x, y]);
    else hover.clear();
  }

  #inside([x, y]) {
    const [width, height] = studio.doc.size;
    return x >= 0 && y >= 0 && x < width && y < height;
  }

  #pinch(event) {
    const before = [...this.#pointers.values()].slice(0, 2);
    const after = before.map((other) => (other.pointerId === event.pointerId ? event : other));
    const middle = ([a, b]) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
    const span = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    const [from, to] = [middle(before), middle(after)];
    this.view.pan(to.clientX - from.clientX, to.clientY - from.clientY);
    this.view.zoom(span(after) / Math.max(span(before), 1), this.view.device(to));
  }

  #release(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const gesture = this.#gesture;
    // The last finger of a pinch paints nothing either.
    if (gesture?.kind !== 'pinch' || this.#pointers.size === 0) this.#gesture = null;
    this.view.canvas.classList.remove('drag');
    if (!gesture || gesture.kind === 'pinch' || gesture.kind === 'pan') return;
    const clicked = Math.hypot(event.clientX - gesture.start[0], event.clientY - gesture.start[1]) < CLICK_PX;
    this.#end(gesture, event, clicked);
  }

  #end(gesture, event, clicked) {
    const { lasso, box } = this;
    Object.assign(this, { lasso: null, box: null });
    if (gesture.step) this.#stroke(gesture.step);
    else if (gesture.kind === 'object') this.#click(this.view.at(event), event);
    else if (gesture.kind === 'lasso' && !clicked && lasso.length > 2) this.#shape(lasso, gesture.erase);
    else if (box && !clicked) this.#boxed(box, gesture.erase);
    else studio.changed();
  }

  #stroke(step) {
    studio.mark(step);
    this.on.stroke();
  }

  #shape(at, erase) {
    studio.mark({ kind: 'shape', erase, at });
    this.on.stroke();
  }

  #boxed(box, erase) {
    const inside = boxInside(box, studio.doc.size);
    if (this.tool === 'box') this.on.box(inside);
    else this.#shape(outline(inside), erase);
  }

  #click(at, event) {
    if (!this.#inside(at)) return;
    const not = event.shiftKey || event.button === 2 || this.negative;
    this.on.click([Math.floor(at[0]), Math.floor(at[1]), not ? 0 : 1], event);
  }

  #drop(event) {
    this.#pointers.delete(event.pointerId);
    this.abandon();
  }

  #leave() {
    this.ring = null;
    hover.clear();
    this.#redraw();
  }

  #wheel(event) {
    event.preventDefault();
    if (!studio.doc) return;
    if (event.altKey) return this.resize(this.size * Math.exp(-event.deltaY / 500) + (event.deltaY < 0 ? 0.5 : -0.5));
    const lines = event.deltaMode === 1 ? 16 : 1;
    return this.view.zoom(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 120 : 400)), this.view.device(event));
  }

  #key(event) {
    if (!studio.doc || event.ctrlKey || event.metaKey) return;
    if (ARROWS[event.key]) this.#arrow(event);
    else if (event.key === ' ' && this.cursor && this.#brushes) this.#penDown();
    else if (event.key === ' ') this.#space = true;
    else if (event.key === 'Enter' && this.marking) this.#enter(event);
    else if (event.key === 'Escape') this.abandon();
    else return;
    event.preventDefault();
    this.#redraw();
  }

  #arrow(event) {
    const [width, height] = studio.doc.size;
    const step = event.altKey ? 1 : Math.max(width, height) * ARROW.share * (event.shiftKey ? ARROW.far : 1);
    const [dx, dy] = ARROWS[event.key];
    const [x, y] = this.cursor ?? [width / 2, height / 2];
    this.cursor = [clamp(x + dx * step, 0, width - 1), clamp(y + dy * step, 0, height - 1)];
    this.ring = this.#brushes ? { x: this.cursor[0], y: this.cursor[1], radius: this.#radius } : null;
    if (this.#gesture?.step && this.#pen) studio.mask.extend(this.#gesture.step, this.cursor);
    if (this.#corner) this.box = [...this.#corner, ...this.cursor];
    if (this.#corners) this.lasso = [...this.#corners, this.cursor];
    this.on.cursor(this.cursor);
  }

  /** Space puts the brush on the photo; it paints until Space comes up again. */
  #penDown() {
    if (this.#pen || !this.marking) return;
    this.#pen = true;
    const step = { kind: 'stroke', radius: this.#radius, erase: this.tool === 'eraser', at: [this.cursor] };
    this.#gesture = { kind: this.tool, step, start: [0, 0] };
    studio.mask.begin(step);
  }

  #keyUp(event) {
    if (event.key !== ' ') return;
    this.#space = false;
    if (!this.#pen) return;
    const { step } = this.#gesture;
    this.#stopKeys();
    this.#stroke(step);
  }

  #stopKeys() {
    this.#space = false;
    if (this.#pen) this.#gesture = null;
    this.#pen = false;
  }

  #enter(event) {
    this.cursor ??= studio.doc.size.map((length) => length / 2);
    if (this.tool === 'object') this.#click(this.cursor, event);
    else if (this.#brushes) this.#stroke({ kind: 'stroke', radius: this.#radius, erase: this.tool === 'eraser', at: [this.cursor] });
    else if (this.#corner) {
      const box = [...this.#corner, ...this.cursor];
      this.#corner = null;
      this.box = null;
      this.#boxed(box, event.altKey);
    } else if (this.tool === 'lasso') this.#setCorner(event.altKey);
    else {
      this.#corner = this.cursor;
      this.box = [...this.cursor, ...this.cursor];
    }
  }

  /** A corner of the lasso where the cursor is; a second one at the same place closes it. */
  #setCorner(erase) {
    const corners = this.#corners ?? [];
    const last = corners.at(-1);
    if (last?.[0] !== this.cursor[0] || last[1] !== this.cursor[1]) {
      this.#corners = [...corners, this.cursor];
      this.lasso = this.#corners;
      return;
    }
    this.#corners = null;
    this.lasso = null;
    if (corners.length > 2) this.#shape(corners, erase);
    else studio.changed();
  }
}
