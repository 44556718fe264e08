// Params block of the token products, and where results go: `place` of the kernel.
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

#ifdef BLOCKS
#import blocks
#else
#import rows
#endif
