// A level of the output pyramid: 1x1 to three channels, plus the coarser level doubled (zero insertion,
// [1, 3, 3, 1] x [1, 3, 3, 1] / 16). One pixel per invocation; ELEMENT is one channel, or four.
#import unit

struct Params {
    pixels: u32, // N * h * w
    c: u32,      // ELEMENTs of a pixel
    h: u32,      // height, pixels
    w: u32,      // width, pixels
    red: f32,    // bias
    green: f32,  // bias
    blue: f32,   // bias
}

@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [N, h, w, c]
@group(0) @binding(1) var<storage, read> weights: array<ELEMENT>; // [3, c]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, h, w, 3], or [N, 3, h, w] for the last level
#ifdef COARSER
@group(0) @binding(3) var<storage, read> coarser: array<f32>; // [N, h / 2, w / 2, 3]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, elements

fn product(a: ELEMENT, b: ELEMENT) -> f32 {
#ifdef FOUR
    return dot(a, b);
#else
    return a * b;
#endif
}

#ifdef COARSER
// Pixel (y, x) of image `b` of the coarser level, both counted from 1; zero outside.
fn pixel(b: u32, y: u32, x1: u32) -> vec3<f32> {
    let h = p.h / 2u;
    let w = p.w / 2u;
    if y == 0u || y > h || x1 == 0u || x1 > w {
        return vec3<f32>();
    }
    let at = ((b * h + y - 1u) * w + x1 - 1u) * 3u;
    return vec3<f32>(coarser[at], coarser[at + 1u], coarser[at + 2u]);
}

fn enlarged(b: u32, oy: u32, ox: u32) -> vec3<f32> {
    let y = oy / 2u + 1u;
    let x1 = ox / 2u + 1u;
    let other_y = select(y - 1u, y + 1u, oy % 2u == 1u);
    let other_x = select(x1 - 1u, x1 + 1u, ox % 2u == 1u);
    let near = 3.0 * pixel(b, y, x1) + pixel(b, y, other_x);
    let far = 3.0 * pixel(b, other_y, x1) + pixel(b, other_y, other_x);
    return (3.0 * near + far) * 0.0625;
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i >= p.pixels {
        return;
    }
    var value = vec3<f32>(p.red, p.green, p.blue);
    for (var k = 0u; k < p.c; k += 1u) {
        let v = x[i * p.c + k];
        value += vec3<f32>(product(v, weights[k]), product(v, weights[p.c + k]), product(v, weights[2u * p.c + k]));
    }
#ifdef COARSER
    value += enlarged(i / (p.h * p.w), i / p.w % p.h, i % p.w);
#endif
#ifdef LAST
    value = clamp((value + 1.0) * 0.5, vec3<f32>(0.0), vec3<f32>(1.0));
    let plane = p.h * p.w;
    let to = i / plane * 3u * plane + i % plane;
    out[to] = value.x;
    out[to + plane] = value.y;
    out[to + 2u * plane] = value.z;
#else
    out[i * 3u] = value.x;
    out[i * 3u + 1u] = value.y;
    out[i * 3u + 2u] = value.z;
#endif
}
