// Half the size, the weights 1 3 3 1 a side; one coarse pixel per invocation.
#import unit
#import patch

struct Params {
    h: u32, // coarse pixels
    w: u32, // coarse pixels
    fine_h: u32, // pixels
    fine_w: u32, // pixels
}

@group(0) @binding(0) var<storage, read> texels: array<vec4<u32>>; // [fine H, fine W], 1/1024
@group(0) @binding(1) var<storage, read> site: array<u32>; // [fine H, fine W]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    var known_even = vec4<i32>();
    var known_odd = vec4<i32>();
    var all_even = vec4<i32>();
    var all_odd = vec4<i32>();
    var known = 0;
    var all_weight = 0;
    for (var j = 0u; j < 4u; j += 1u) {
        let fy = 2u * y + j - 1u;
        for (var i = 0u; i < 4u; i += 1u) {
            let fx = 2u * x + i - 1u;
            if fx >= p.fine_w || fy >= p.fine_h {
                continue;
            }
            let from_at = fy * p.fine_w + fx;
            let weight = select(1, 3, j == 1u || j == 2u) * select(1, 3, i == 1u || i == 2u);
            let counted = select(0, weight, (site[from_at] & KNOWN) != 0u);
            let texel = texels[from_at];
            known_even += vec4<i32>(counted) * even(texel);
            known_odd += vec4<i32>(counted) * odd(texel);
            all_even += vec4<i32>(weight) * even(texel);
            all_odd += vec4<i32>(weight) * odd(texel);
            known += counted;
            all_weight += weight;
        }
    }
    // An all-zero sum stays zero whatever it is divided by.
    let voted = packed(rounded(known_even, max(known, 1)), rounded(known_odd, max(known, 1)));
    let fixed = packed(rounded(all_even, max(all_weight, 1)), rounded(all_odd, max(all_weight, 1)));
    out[at] = merged(voted, fixed);
}
