// The source pixel with the greatest sum of votes; one pixel per invocation.
#import unit
#import patch
#import patch_votes

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    falloff: u32, // 64 log2(gamma)
}

@group(0) @binding(0) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(1) var<storage, read> nnf: array<u32>; // [H, W], source index
@group(0) @binding(2) var<storage, read> distance: array<u32>; // [H, W], weighted squared differences
@group(0) @binding(3) var<storage, read_write> out: array<u32>; // [H, W], source index
@group(0) @binding(4) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    var best = NONE;
    if (site[at] & HOLE) != 0u {
        let y = at / p.w;
        collect_votes(at - y * p.w, y);
        var greatest = 0u;
        for (var i = 0u; i < vote_count; i += 1u) {
            var total = 0u;
            for (var j = 0u; j < vote_count; j += 1u) {
                if vote_source[j] == vote_source[i] {
                    total += vote_weight(j);
                }
            }
            if best == NONE || total > greatest || (total == greatest && vote_source[i] < best) {
                best = vote_source[i];
                greatest = total;
            }
        }
    }
    out[at] = best;
}
