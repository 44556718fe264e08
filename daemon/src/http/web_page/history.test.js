import assert from 'node:assert/strict';
import test from 'node:test';

import { History } from './history.js';

test('undo and redo move along what was done, and a new step forgets what was undone', () => {
  const history = new History('a');
  assert.deepEqual([history.canUndo, history.canRedo], [false, false]);
  history.push('b');
  history.push('c');
  assert.equal(history.undo(), 'b');
  assert.equal(history.undo(), 'a');
  assert.equal(history.undo(), 'a', 'the first state stays');
  assert.equal(history.redo(), 'b');
  history.push('d');
  assert.equal(history.canRedo, false);
  assert.equal(history.redo(), 'd');
  assert.deepEqual(history.all, ['a', 'b', 'd']);
});

test('an amended state is no step of its own', () => {
  const history = new History('a');
  history.push('b');
  history.undo();
  history.amend('A');
  assert.equal(history.first, 'A');
  assert.equal(history.redo(), 'b');
});
