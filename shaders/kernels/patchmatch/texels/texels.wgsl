// Photo to texels: colour, texture of known pixels, guide; one pixel per invocation.
#import unit
#import patch

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    texture: u32, // weight in 1/256
    guide: u32,   // square root of the weight in 1/256
}

@group(0) @binding(0) var<storage, read> image: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
#ifdef GUIDED
@group(0) @binding(2) var<storage, read> guide: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(3) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(4) var<uniform> p: Params;
#else
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(3) var<uniform> p: Params;
#endif

fn bytes(rgb: vec3<f32>) -> vec3<i32> {
    return vec3<i32>(clamp(rgb, vec3<f32>(0.0), vec3<f32>(1.0)) * 255.0 + 0.5);
}
fn luma(c: vec3<i32>) -> i32 {
    return (6885 * c.x + 13517 * c.y + 2625 * c.z + 2048) >> 12u;
}
fn colour(c: vec3<i32>) -> vec3<i32> {
    let blue = (-4441 * c.x - 8718 * c.y + 13159 * c.z + 2048) >> 12u;
    let red = (13159 * c.x - 11019 * c.y - 2140 * c.z + 2048) >> 12u;
    return vec3<i32>(luma(c), blue, red);
}
fn pixel(at: u32) -> vec3<i32> {
    return bytes(vec3<f32>(image[3u * at], image[3u * at + 1u], image[3u * at + 2u]));
}
fn texture_of(sum: u32, count: u32) -> i32 {
    return i32(min(sum * p.texture / (358u * max(count, 1u)), TEXTURE_MAX));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    // Sums over the window: x difference, its count, y difference, its count.
    var sums = vec4<u32>();
    for (var qy = y - min(y, WINDOW); qy <= min(y + WINDOW, p.h - 1u); qy += 1u) {
        for (var qx = x - min(x, WINDOW); qx <= min(x + WINDOW, p.w - 1u); qx += 1u) {
            let q = qy * p.w + qx;
            if (site[q] & KNOWN) == 0u {
                continue;
            }
            let own = luma(pixel(q));
            if qx + 1u < p.w && (site[q + 1u] & KNOWN) != 0u {
                sums += vec4<u32>(u32(abs(own - luma(pixel(q + 1u)))), 1u, 0u, 0u);
            }
            if qy + 1u < p.h && (site[q + p.w] & KNOWN) != 0u {
                sums += vec4<u32>(0u, 0u, u32(abs(own - luma(pixel(q + p.w)))), 1u);
            }
        }
    }
    var c = vec3<i32>();
    if (site[at] & KNOWN) != 0u {
        c = colour(pixel(at));
    }
    var g = vec3<i32>();
#ifdef GUIDED
    g = colour(bytes(vec3<f32>(guide[3u * at], guide[3u * at + 1u], guide[3u * at + 2u]))) * vec3<i32>(i32(p.guide)) / vec3<i32>(256);
#endif
    out[at] = packed(vec4<i32>(c.x, c.z, texture_of(sums.z, sums.w), g.y), vec4<i32>(c.y, texture_of(sums.x, sums.y), g.x, g.z));
}
