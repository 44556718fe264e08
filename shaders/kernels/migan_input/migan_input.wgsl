// Photo and mask bytes to MI-GAN's four-channel input, channels last; one padded pixel per invocation.
#import unit

struct Params {
    pixels: u32, // N * Hp * Wp
    h: u32,      // image height, pixels
    w: u32,      // image width, pixels
    hp: u32,     // padded height, pixels
    wp: u32,     // padded width, pixels
}

@group(0) @binding(0) var<storage, read> image: array<u32>; // [N, H, W, 3] bytes, four to a word
@group(0) @binding(1) var<storage, read> mask: array<u32>; // [N, H, W] bytes, four to a word
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [N, Hp, Wp]: known - 0.5, then known * rgb in -1..1
@group(0) @binding(3) var<uniform> p: Params; // pixels

// Position behind the end mirrored with the edge pixel repeated.
fn symmetric(i: u32, n: u32) -> u32 {
    let j = i % (2u * n);
    return select(j, 2u * n - 1u - j, j >= n);
}

fn colour(at: u32) -> f32 {
    return f32((image[at >> 2u] >> ((at & 3u) * 8u)) & 255u) / 127.5 - 1.0;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i >= p.pixels {
        return;
    }
    let b = i / (p.hp * p.wp);
    let y = i / p.wp % p.hp;
    let at = (b * p.h + symmetric(y, p.h)) * p.w + symmetric(i % p.wp, p.w);
    let hole = ((mask[at >> 2u] >> ((at & 3u) * 8u)) & 255u) >= MASK_CUT;
    let known = vec4<f32>(0.5, colour(at * 3u), colour(at * 3u + 1u), colour(at * 3u + 2u));
    out[i] = select(known, vec4<f32>(-0.5, 0.0, 0.0, 0.0), hole);
}
