// Source index for position `i` (already shifted by the padding, may be negative) on an axis of `n` elements:
// mirrored without repeating the edge, or -1 where zero padding is read.
fn source(i: i32, n: i32, reflect: u32) -> i32 {
    let j = abs(i);
    let mirrored = select(j, 2 * (n - 1) - j, j >= n);
    let inside = i >= 0 && i < n;
    return select(select(-1, i, inside), mirrored, reflect != 0u);
}
