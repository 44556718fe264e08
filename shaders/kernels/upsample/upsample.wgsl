// Bilinear resize with half-pixel centres, one output pixel per invocation.
#import unit

struct Params {
    count: u32,   // output pixels of all planes
    h: u32,       // input height, pixels
    w: u32,       // input width, pixels
    ch: u32,      // height of the used part, pixels
    cw: u32,      // width of the used part, pixels
    height: u32,  // output height, pixels
    width: u32,   // output width, pixels
    scale_y: f32, // input pixels per output pixel
    scale_x: f32, // input pixels per output pixel
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N * C, h, w]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [N * C, height, width]
@group(0) @binding(2) var<uniform> p: Params; // pixels

// The position in the input of output pixel `i`.
fn position(i: u32, scale: f32) -> f32 {
    return max((f32(i) + 0.5) * scale - 0.5, 0.0);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i >= p.count {
        return;
    }
    let px = position(i % p.width, p.scale_x);
    let py = position(i / p.width % p.height, p.scale_y);
    let x0 = min(u32(px), p.cw - 1u);
    let y0 = min(u32(py), p.ch - 1u);
    let x1 = min(x0 + 1u, p.cw - 1u);
    let fx = px - f32(x0);
    let fy = py - f32(y0);
    let plane = i / (p.width * p.height) * p.h;
    let first = (plane + y0) * p.w;
    let second = (plane + min(y0 + 1u, p.ch - 1u)) * p.w;
    let a = x[first + x0] * (1.0 - fx) + x[first + x1] * fx;
    let b = x[second + x0] * (1.0 - fx) + x[second + x1] * fx;
    out[i] = a * (1.0 - fy) + b * fy;
}
