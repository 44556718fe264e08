// Windows of a map, as the kernels of window attention see them; needs `x` (q, k and v of every pixel) and `pad`.
struct Params {
    units: u32,   // workgroups with work
    h: u32,       // of the map, pixels
    w: u32,       // of the map, pixels
    side_y: u32,  // height of a window, pixels
    side_x: u32,  // width of a window, pixels
    down: u32,    // windows along y
    across: u32,  // windows along x
    heads: u32,
    dim4: u32,    // vec4s of a head
    blocks: u32,  // workgroups along the queries of a window
    head_step: u32, // vec4s between heads within q, k or v
    part_step: u32, // vec4s between a head's q, k and v
    scale: f32,   // of the inner products
}

// Where the q, k, v of a pixel begin, and whether they are those of padding. Coordinates are in the sample's map.
struct Place {
    at: u32, // vec4s, in `x` or in `pad`
    padding: bool,
}

fn place(sample: u32, y: u32, x: u32, head: u32) -> Place {
    let within = y < p.h && x < p.w;
    let first = ((sample * p.h + y) * p.w + x) * 3u * p.heads * p.dim4;
    return Place(select(0u, first, within) + head * p.head_step, !within);
}

// The four channels at `i` vec4s behind a place.
fn channels(start: Place, i: u32) -> vec4<f32> {
    if start.padding {
        return pad[start.at + i];
    }
    return x[start.at + i];
}

fn apart(a: u32, b: u32) -> u32 {
    return max(a, b) - min(a, b);
}
