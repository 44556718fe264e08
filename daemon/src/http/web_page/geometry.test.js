import assert from 'node:assert/strict';
import test from 'node:test';

import { boxInside, fit, growth, outline, resized, shrunk, zoomAround } from './geometry.js';

test('a photo is fitted into what the margins leave', () => {
  assert.deepEqual(fit([200, 100], [400, 400]), { scale: 2, x: 0, y: 100 });
  assert.deepEqual(fit([100, 100], [300, 200], [50, 0, 50, 100]), { scale: 1, x: 100, y: 0 });
  assert.ok(fit([100, 100], [10, 10], [20, 20, 20, 20]).scale > 0, 'no room is still some');
});

test('zooming keeps the point under the pointer, and has bounds', () => {
  const look = zoomAround({ scale: 1, x: 10, y: 20 }, [110, 120], 2);
  assert.deepEqual(look, { scale: 2, x: -90, y: -80 });
  assert.equal((110 - look.x) / look.scale, 100);
  assert.equal(zoomAround({ scale: 30, x: 0, y: 0 }, [0, 0], 10).scale, 40);
});

test('a view that changes its size keeps its middle', () => {
  assert.deepEqual(resized({ scale: 3, x: 0, y: 0 }, [100, 100], [140, 60]), { scale: 3, x: 20, y: -20 });
});

test('a box has any corner order and stays inside', () => {
  assert.deepEqual(boxInside([90.4, -5, 10, 200], [80, 60]), [10, 0, 79, 59]);
  assert.deepEqual(outline([1, 2, 3, 4]), [[1, 2], [3, 2], [3, 4], [1, 4]]);
});

test('photos are only made smaller', () => {
  assert.deepEqual(shrunk([4000, 3000], 1000), { width: 1000, height: 750, scale: 0.25 });
  assert.deepEqual(shrunk([40, 30], 1000), { width: 40, height: 30, scale: 1 });
  assert.equal(shrunk([9000, 1], 1000).height, 1);
});

test('growth adds up to the radius, each step at most what is there already', () => {
  for (const radius of [1, 2, 3, 7, 20, 50]) {
    const steps = growth(radius);
    assert.equal(steps.reduce((sum, step) => sum + step, 0), radius);
    steps.reduce((before, step) => { assert.ok(step <= before + 1); return before + step; }, 0);
  }
  assert.deepEqual(growth(0), []);
});
