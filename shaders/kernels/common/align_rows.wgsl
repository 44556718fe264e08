// Copies rows to a stride of whole vec4s, so that kernels for software rasterisers can load four pixels at once. The first
// pixels behind the end of a row continue it as the padding asks: mirrored or zero.
#import unit

struct Params {
    count: u32,   // vec4 of the copy: rows * cols
    w: u32,       // elements of a row
    cols: u32,    // vec4 of a copied row
    reflect: u32, // 1 mirrors, 0 writes zeros
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, w]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [rows, cols]
@group(0) @binding(2) var<uniform> p: Params; // elements

fn value(row: u32, i: u32) -> f32 {
    // 2 (w - 1) - i wraps past zero for positions that no tap reads.
    let mirrored = 2u * (p.w - 1u) - i;
    let at = select(mirrored, i, i < p.w);
    return select(0.0, x[row * p.w + min(at, p.w - 1u)], i < p.w || p.reflect != 0u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i < p.count {
        let row = i / p.cols;
        let first = (i - row * p.cols) * 4u;
        out[i] = vec4<f32>(value(row, first), value(row, first + 1u), value(row, first + 2u), value(row, first + 3u));
    }
}
