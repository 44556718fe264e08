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
@group(0) @binding(4) var<storage, read> picks: array<u32>; // [H, W], source index
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(6) var<storage, read_write> slopes: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(7) var<uniform> p: Params;

fn colour(at: u32) -> vec3<f32> {
    return vec3<f32>(image[3u * at], image[3u * at + 1u], image[3u * at + 2u]);
}

// A pick's pixel beside it that is known, or NONE; `dx`, `dy` are one step in one direction.
fn beside(pick: u32, dx: i32, dy: i32) -> u32 {
    if pick == NONE {
        return NONE;
    }
    let y = i32(pick / p.w);
    let sx = i32(pick) - y * i32(p.w) + dx;
    let sy = y + dy;
    if sx < 0 || sy < 0 || sx >= i32(p.w) || sy >= i32(p.h) {
        return NONE;
    }
    let at = u32(sy) * p.w + u32(sx);
    return select(NONE, at, (site[at] & KNOWN) != 0u);
}

// (own - neighbour), the mean over the picks of both; zero for neighbours that do not count.
fn slope(at: u32, next: u32, dx: i32, dy: i32) -> vec3<f32> {
    if (site[next] & (KNOWN | HOLE)) == 0u {
        return vec3<f32>();
    }
    let own = picks[at];
    let other = picks[next];
    let own_next = beside(own, dx, dy);
    let other_next = beside(other, -dx, -dy);
    let share = select(1.0, 0.5, own_next != NONE && other_next != NONE);
    var sum = vec3<f32>();
    if own_next != NONE {
        sum += share * (colour(own) - colour(own_next));
    }
    if other_next != NONE {
        sum += share * (colour(other_next) - colour(other));
    }
    return sum;
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
        around += slope(at, at - p.w, 0, -1);
    }
    if x > 0u {
        around += slope(at, at - 1u, -1, 0);
    }
    if x + 1u < p.w {
        around += slope(at, at + 1u, 1, 0);
    }
    if y + 1u < p.h {
        around += slope(at, at + p.w, 0, 1);
    }
    store(at, value, around);
}
