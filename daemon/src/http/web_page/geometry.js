// Positions and sizes. A look is { scale, x, y }: device pixels per photo pixel, and where the photo's corner lies.

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** The whole of a photo in the middle of a view, `margin` device pixels from its edges ([left, top, right, bottom]). */
export function fit([width, height], [viewWidth, viewHeight], [left, top, right, bottom] = [0, 0, 0, 0]) {
  const room = [Math.max(viewWidth - left - right, 1), Math.max(viewHeight - top - bottom, 1)];
  const scale = Math.min(room[0] / width, room[1] / height);
  return { scale, x: left + (room[0] - width * scale) / 2, y: top + (room[1] - height * scale) / 2 };
}

/** The look `factor` times as large, with the point [x, y] of the view staying where it is. */
export function zoomAround(look, [x, y], factor, [least, most] = [0.01, 40]) {
  const scale = clamp(look.scale * factor, least, most);
  const ratio = scale / look.scale;
  return { scale, x: x - (x - look.x) * ratio, y: y - (y - look.y) * ratio };
}

/** The look after the view changed its size: what was in its middle stays there. */
export function resized(look, [fromWidth, fromHeight], [toWidth, toHeight]) {
  return { scale: look.scale, x: look.x + (toWidth - fromWidth) / 2, y: look.y + (toHeight - fromHeight) / 2 };
}

/** A box given by any two corners as whole pixels [x1, y1, x2, y2] inside a photo. */
export function boxInside([x1, y1, x2, y2], [width, height]) {
  const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)].map((x) => Math.round(clamp(x, 0, width - 1)));
  const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)].map((y) => Math.round(clamp(y, 0, height - 1)));
  return [left, top, right, bottom];
}

/** Corners of a box, as an outline. */
export const outline = ([x1, y1, x2, y2]) => [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];

/** Width and height at most `side` on the longer side, with the factor that leads there. */
export function shrunk([width, height], side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), scale };
}

/**
 * Radii of disks that, applied one after another, widen a shape by `radius`: each is small enough that the ring of its copies
 * leaves no gap in what the ones before made.
 */
export function growth(radius) {
  const steps = [];
  for (let left = radius, step = 1; left > 0; step *= 2) {
    steps.push(Math.min(step, left));
    left -= step;
  }
  return steps;
}
