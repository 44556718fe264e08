// Square patches of a map as rows, one element per invocation.
#import unit

struct Params {
    count: u32,   // elements
    c: u32,       // channels
    rows: u32,    // patches along y
    columns: u32, // patches along x
    side: u32,    // of a patch, pixels
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, c, rows * side, columns * side]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [N, rows, columns, c * side * side]
@group(0) @binding(2) var<uniform> p: Params; // elements, pixels

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i >= p.count {
        return;
    }
    let kx = i % p.side;
    let ky = i / p.side % p.side;
    let patch_row = i / (p.side * p.side); // (n, row, column, channel)
    let channel = patch_row % p.c;
    let column = patch_row / p.c % p.columns;
    let row = patch_row / (p.c * p.columns) % p.rows;
    let b = patch_row / (p.c * p.columns * p.rows);
    let plane = b * p.c + channel;
    out[i] = x[((plane * p.rows + row) * p.side + ky) * p.columns * p.side + column * p.side + kx];
}
