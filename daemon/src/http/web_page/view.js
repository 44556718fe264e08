// The canvas: photo, marks and result under one zoomable view. Positions handed out are in pixels of the photo.

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.scale = 1; // device pixels per photo pixel
    this.offset = [0, 0];
    this.split = 0.5; // share of the view that shows the photo before
    this.scene = null; // { photo, mask, result, points, box, cursor }
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    this.fit();
  }

  show(scene) {
    this.scene = scene;
    this.draw();
  }

  fit() {
    const photo = this.scene?.photo;
    if (photo) {
      const { width, height } = this.canvas;
      this.scale = Math.min(width / photo.width, height / photo.height) * 0.98;
      this.offset = [(width - photo.width * this.scale) / 2, (height - photo.height * this.scale) / 2];
    }
    this.draw();
  }

  #device(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  at(event) {
    const [x, y] = this.#device(event);
    return [(x - this.offset[0]) / this.scale, (y - this.offset[1]) / this.scale];
  }

  zoom(event, factor) {
    const [x, y] = this.#device(event);
    const scale = Math.min(Math.max(this.scale * factor, 0.01), 40);
    this.offset = [x - (x - this.offset[0]) * (scale / this.scale), y - (y - this.offset[1]) * (scale / this.scale)];
    this.scale = scale;
    this.draw();
  }

  pan(event) {
    const ratio = this.canvas.width / this.canvas.clientWidth;
    this.offset = [this.offset[0] + event.movementX * ratio, this.offset[1] + event.movementY * ratio];
    this.draw();
  }

  slide(event) {
    this.split = Math.min(Math.max(this.#device(event)[0] / this.canvas.width, 0), 1);
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
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.scene?.photo) return;
    const { photo, mask, result } = this.scene;
    const look = () => context.setTransform(this.scale, 0, 0, this.scale, ...this.offset);
    context.imageSmoothingEnabled = this.scale < 3;
    context.imageSmoothingQuality = 'high';
    look();
    context.drawImage(photo, 0, 0);
    if (result) {
      const x = this.split * width;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.save();
      context.beginPath();
      context.rect(x, 0, width - x, height);
      context.clip();
      look();
      context.drawImage(result, 0, 0);
      context.restore();
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = '#fff';
      context.fillRect(x - 1, 0, 2, height);
      return;
    }
    context.globalAlpha = 0.55;
    context.drawImage(mask.canvas, 0, 0);
    context.globalAlpha = 1;
    this.#marks(context);
  }

  #marks(context) {
    const { points, box, cursor } = this.scene;
    const pixel = (window.devicePixelRatio || 1) / this.scale; // one CSS pixel in photo pixels
    context.lineWidth = 1.5 * pixel;
    for (const [x, y, label] of points) {
      context.beginPath();
      context.arc(x, y, 5 * pixel, 0, 2 * Math.PI);
      context.fillStyle = label ? '#1fbf5b' : '#e33';
      context.fill();
      context.strokeStyle = '#fff';
      context.stroke();
    }
    if (box) {
      context.strokeStyle = '#fff';
      context.setLineDash([6 * pixel, 4 * pixel]);
      context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
      context.setLineDash([]);
    }
    if (cursor) {
      context.beginPath();
      context.arc(cursor.x, cursor.y, cursor.radius, 0, 2 * Math.PI);
      context.strokeStyle = '#fff';
      context.stroke();
    }
  }
}
