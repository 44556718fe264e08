// Prediction inside the hole, photo bytes outside; one word (four output bytes) per invocation.
#import unit

struct Params {
    bytes: u32, // N * H * W * 3
    h: u32,     // image height, pixels
    w: u32,     // image width, pixels
    hp: u32,    // padded height, pixels
    wp: u32,    // padded width, pixels
}

@group(0) @binding(0) var<storage, read> prediction: array<f32>; // [N, 3, Hp, Wp], 0..1
@group(0) @binding(1) var<storage, read> image: array<u32>; // [N, H, W, 3] bytes, four to a word
@group(0) @binding(2) var<storage, read> mask: array<u32>; // [N, H, W] bytes, four to a word
@group(0) @binding(3) var<storage, read_write> out: array<u32>; // [N, H, W, 3] bytes, four to a word
@group(0) @binding(4) var<uniform> p: Params; // pixels

// The output byte at byte position `at`.
fn value(at: u32, photo: u32) -> u32 {
    let pixel = at / 3u;
    let c = at - pixel * 3u;
    let cut = (mask[pixel >> 2u] >> ((pixel & 3u) * 8u)) & 255u;
    if cut < MASK_CUT {
        return photo;
    }
    let row = pixel / p.w;
    let x = pixel - row * p.w;
    let b = row / p.h;
    let y = row - b * p.h;
    // Truncated, not rounded: the reference implementation's conversion.
    return u32(clamp(255.0 * prediction[((b * 3u + c) * p.hp + y) * p.wp + x], 0.0, 255.0));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i * 4u >= p.bytes {
        return;
    }
    let photo = image[i];
    var word = 0u;
    for (var k = 0u; k < 4u; k += 1u) {
        if i * 4u + k < p.bytes {
            word |= value(i * 4u + k, (photo >> (k * 8u)) & 255u) << (k * 8u);
        }
    }
    out[i] = word;
}
