// The texture of known pixels, from their luma; one pixel per invocation.
#import unit
#import patch

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    texture: u32, // weight in 1/256
}

@group(0) @binding(0) var<storage, read> texels: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(3) var<uniform> p: Params;

fn luma(at: u32) -> i32 {
    return (i32(texels[at].x) << 16u) >> 16u;
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
            let own = luma(q);
            if qx + 1u < p.w && (site[q + 1u] & KNOWN) != 0u {
                sums += vec4<u32>(u32(abs(own - luma(q + 1u))), 1u, 0u, 0u);
            }
            if qy + 1u < p.h && (site[q + p.w] & KNOWN) != 0u {
                sums += vec4<u32>(0u, 0u, u32(abs(own - luma(q + p.w))), 1u);
            }
        }
    }
    // Channel 3 is the high half of the second word, channel 4 the low half of the third.
    var texel = texels[at];
    texel.y = (texel.y & 0xffffu) | (u32(texture_of(sums.x, sums.y)) << 16u);
    texel.z = (texel.z & 0xffff0000u) | u32(texture_of(sums.z, sums.w));
    out[at] = texel;
}
