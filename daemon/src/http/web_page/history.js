// What was done to one photo, as a list of states that are never changed: undo and redo move along it, across removals too.

export class History {
  #states;
  #at = 0;

  constructor(first) {
    this.#states = [first];
  }

  /** The state before anything was done. */
  get first() {
    return this.#states[0];
  }

  get now() {
    return this.#states[this.#at];
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at + 1 < this.#states.length;
  }

  /** Every state, for those who release what states hold. */
  get all() {
    return [...this.#states];
  }

  /** A new state after the present one; what was undone is forgotten. */
  push(state) {
    this.#states.length = this.#at + 1;
    this.#states.push(state);
    this.#at += 1;
  }

  /** Puts another state in the place of the present one, without a step to undo. */
  amend(state) {
    this.#states[this.#at] = state;
  }

  undo() {
    if (this.canUndo) this.#at -= 1;
    return this.now;
  }

  redo() {
    if (this.canRedo) this.#at += 1;
    return this.now;
  }
}
