// Params block of the token products, and where results go.
struct Params {
    rows: u32,          // tokens of each weight matrix
    groups: u32,        // weight matrices; token r * groups + g uses matrix g
    ic: u32,            // input channels
    oc: u32,            // rows of a matrix: output channels, times 4 for blocks
    depth: u32,         // input channels of the packed weights
    columns: u32,       // output channels of the packed weights and bias
    token_tiles: u32,   // workgroups along the tokens
    channel_tiles: u32, // workgroups along the output channels
    h: u32,             // height of the input map, pixels (blocks)
    w: u32,             // width of the input map, pixels (blocks)
    act: u32,           // Act::code
}

// Element that output channel `o` of token `t` is stored at.
fn place(t: u32, o: u32) -> u32 {
#ifdef BLOCKS
    let channels = p.oc / 4u;
    let quarter = o / channels;
    let row = t / p.w; // of the batch
    let x = t - row * p.w;
    return ((row * 2u + quarter / 2u) * 2u * p.w + x * 2u + quarter % 2u) * channels + o - quarter * channels;
#else
    return t * p.oc + o;
#endif
}
