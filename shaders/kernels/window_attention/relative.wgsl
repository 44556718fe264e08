// Decomposed relative position: the products of every query with the table rows of its distances to each row and each column
// of its window; one product per invocation.
#import unit

struct Params {
    count: u32,   // products
    h: u32,       // of the map, pixels
    w: u32,       // of the map, pixels
    side: u32,    // of a window, pixels
    heads: u32,
    dim4: u32,    // vec4s of a head
    head_step: u32, // vec4s between heads within q
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [N, h, w, 3 * heads * dim4]
@group(0) @binding(1) var<storage, read> tables: array<vec4<f32>>; // [along y, along x][2 side - 1][dim4]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N * heads][along y, along x][side][h * w], scores
@group(0) @binding(3) var<uniform> p: Params; // pixels, vec4s

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i >= p.count {
        return;
    }
    let plane = p.h * p.w;
    let pixel = i % plane;
    let key = i / plane % p.side;
    let axis = i / (plane * p.side) % 2u;
    let image = i / (plane * p.side * 2u); // sample * heads + head
    let head = image % p.heads;
    let own = select(pixel / p.w, pixel % p.w, axis == 1u) % p.side;
    let row = (axis * (2u * p.side - 1u) + own + p.side - 1u - key) * p.dim4;
    let at = (image / p.heads * plane + pixel) * 3u * p.heads * p.dim4 + head * p.head_step;
    var sum = vec4<f32>();
    for (var k = 0u; k < p.dim4; k += 1u) {
        sum += x[at + k] * tables[row + k];
    }
    out[i] = sum.x + sum.y + sum.z + sum.w;
}
