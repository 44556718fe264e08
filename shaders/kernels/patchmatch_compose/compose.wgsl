// Votes on the photo's own colours and sums of source gradients; one pixel per invocation.
#import unit
#import patch
#import patch_votes

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    falloff: u32, // 64 log2(gamma)
}

@group(0) @binding(0) var<storage, read> image: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read> nnf: array<u32>; // [H, W], source index
@group(0) @binding(3) var<storage, read> distance: array<u32>; // [H, W], weighted squared differences
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(5) var<storage, read_write> slopes: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(6) var<uniform> p: Params;

fn colour(at: u32) -> vec3<f32> {
    return vec3<f32>(image[3u * at], image[3u * at + 1u], image[3u * at + 2u]);
}

// (own - neighbour), the mean over the sources of both; zero for neighbours that do not count.
fn slope(at: u32, next: u32) -> vec3<f32> {
    let own = nnf[at];
    let other = nnf[next];
    if (site[next] & (KNOWN | HOLE)) == 0u || own == NONE || other == NONE {
        return vec3<f32>();
    }
    let from_own = colour(own) - colour(own + next - at);
    let from_other = colour(other + at - next) - colour(other);
    return 0.5 * (from_own + from_other);
}

fn store(at: u32, value: vec3<f32>, slope: vec3<f32>) {
    for (var c = 0u; c < 3u; c += 1u) {
        out[3u * at + c] = value[c];
        slopes[3u * at + c] = slope[c];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    if (site[at] & HOLE) == 0u {
        store(at, colour(at), vec3<f32>());
        return;
    }
    collect_votes(x, y);
    var sum = vec3<f32>();
    var total = 0.0;
    for (var i = 0u; i < vote_count; i += 1u) {
        let weight = f32(vote_weight(i));
        sum += weight * colour(vote_source[i]);
        total += weight;
    }
    var value = colour(at);
    if total > 0.0 {
        value = sum / total;
    }
    var around = vec3<f32>();
    if y > 0u {
        around += slope(at, at - p.w);
    }
    if x > 0u {
        around += slope(at, at - 1u);
    }
    if x + 1u < p.w {
        around += slope(at, at + 1u);
    }
    if y + 1u < p.h {
        around += slope(at, at + p.w);
    }
    store(at, value, around);
}
