// Photo bytes to the normalised, zero-padded square, one element per invocation.
#import unit

struct Params {
    count: u32, // elements of the output
    side: u32,  // of the square, pixels
    h: u32,     // photo height, pixels
    w: u32,     // photo width, pixels
    mean0: f32, // of red, 0..255
    mean1: f32, // of green
    mean2: f32, // of blue
    std0: f32,  // of red, 0..255
    std1: f32,  // of green
    std2: f32,  // of blue
}

@group(0) @binding(0) var<storage, read> photo: array<u32>; // [N, h, w, 3] bytes, four to a word
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [N, 3, side, side], standard deviations
@group(0) @binding(2) var<uniform> p: Params; // pixels

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i >= p.count {
        return;
    }
    let x = i % p.side;
    let y = i / p.side % p.side;
    let plane = i / (p.side * p.side);
    let c = plane % 3u;
    var value = 0.0;
    if y < p.h && x < p.w {
        let at = ((plane / 3u * p.h + y) * p.w + x) * 3u + c;
        let byte = f32((photo[at >> 2u] >> ((at & 3u) * 8u)) & 255u);
        value = (byte - select(select(p.mean2, p.mean1, c == 1u), p.mean0, c == 0u)) / select(select(p.std2, p.std1, c == 1u), p.std0, c == 0u);
    }
    out[i] = value;
}
