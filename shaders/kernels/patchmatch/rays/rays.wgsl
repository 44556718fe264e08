// A smooth fill from the known pixels met in sixteen directions; one pixel per invocation.
#import unit
#import patch

struct Params {
    h: u32, // pixels
    w: u32, // pixels
}

@group(0) @binding(0) var<storage, read> texels: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(3) var<uniform> p: Params;

const DIRECTIONS = array<vec2<i32>, 16>(
    vec2<i32>(1, 0), vec2<i32>(2, 1), vec2<i32>(1, 1), vec2<i32>(1, 2), vec2<i32>(0, 1), vec2<i32>(-1, 2), vec2<i32>(-1, 1), vec2<i32>(-2, 1),
    vec2<i32>(-1, 0), vec2<i32>(-2, -1), vec2<i32>(-1, -1), vec2<i32>(-1, -2), vec2<i32>(0, -1), vec2<i32>(1, -2), vec2<i32>(1, -1), vec2<i32>(2, -1),
);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    let own = texels[at];
    if (site[at] & HOLE) == 0u {
        out[at] = own;
        return;
    }
    var directions = DIRECTIONS;
    var sum_even = vec4<i32>();
    var sum_odd = vec4<i32>();
    var total = 0;
    for (var k = 0u; k < 16u; k += 1u) {
        let d = directions[k];
        var to = vec2<i32>(i32(x), i32(y)) + d;
        for (var n = 1; to.x >= 0 && to.y >= 0 && to.x < i32(p.w) && to.y < i32(p.h); n += 1) {
            let met = u32(to.y) * p.w + u32(to.x);
            if (site[met] & KNOWN) != 0u {
                let weight = max(ONE / (n * n * (d.x * d.x + d.y * d.y)), 1);
                sum_even += vec4<i32>(weight) * even(texels[met]);
                sum_odd += vec4<i32>(weight) * odd(texels[met]);
                total += weight;
                break;
            }
            to += d;
        }
    }
    if total == 0 {
        out[at] = own;
        return;
    }
    out[at] = merged(packed(rounded(sum_even, total), rounded(sum_odd, total)), own);
}
