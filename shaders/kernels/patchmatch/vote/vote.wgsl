// Rebuilds the hole from the field; one pixel per invocation.
#import unit
#import patch
#import patch_votes

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    falloff: u32, // 64 log2(gamma)
}

@group(0) @binding(0) var<storage, read> texels: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read> nnf: array<u32>; // [H, W], source index
@group(0) @binding(3) var<storage, read> distance: array<u32>; // [H, W], weighted squared differences
@group(0) @binding(4) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(5) var<uniform> p: Params;

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
    collect_votes(x, y);
    var sum_even = vec4<i32>();
    var sum_odd = vec4<i32>();
    var total = 0;
    for (var i = 0u; i < vote_count; i += 1u) {
        let weight = i32(vote_weight(i));
        let texel = texels[vote_source[i]];
        sum_even += vec4<i32>(weight) * even(texel);
        sum_odd += vec4<i32>(weight) * odd(texel);
        total += weight;
    }
    if total == 0 {
        out[at] = own;
        return;
    }
    out[at] = merged(packed(rounded(sum_even, total), rounded(sum_odd, total)), own);
}
