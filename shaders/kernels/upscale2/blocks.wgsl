// Element that row `o` of the matrix, [2, 2, channels], is stored at for token `t`: every token becomes a block of 2x2 pixels.
fn place(t: u32, o: u32) -> u32 {
    let channels = p.oc / 4u;
    let quarter = o / channels;
    let row = t / p.w; // of the batch
    let x = t - row * p.w;
    return ((row * 2u + quarter / 2u) * 2u * p.w + x * 2u + quarter % 2u) * channels + o - quarter * channels;
}
