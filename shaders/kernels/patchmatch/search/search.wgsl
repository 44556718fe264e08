// One pass of the search for better sources; one target per invocation, all read the previous field.
#import unit
#import patch

struct Params {
    h: u32, // pixels
    w: u32, // pixels
    step: u32,   // propagation distance, pixels
    reach: u32,  // first radius of random samples, pixels; 0: none
    fresh: u32,  // 1: measure the given sources first
    factor: u32, // of a difference on a known pixel
    seed: u32,
    salt: u32, // number of the pass
}

@group(0) @binding(0) var<storage, read> texels: array<vec4<u32>>; // [H, W], 1/1024
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read> nnf: array<u32>; // [H, W], source index
@group(0) @binding(3) var<storage, read> distance: array<u32>; // [H, W], weighted squared differences
@group(0) @binding(4) var<storage, read_write> nnf_out: array<u32>; // [H, W], source index
@group(0) @binding(5) var<storage, read_write> distance_out: array<u32>; // [H, W], weighted squared differences
@group(0) @binding(6) var<uniform> p: Params;

fn squared(a: vec4<u32>, b: vec4<u32>) -> u32 {
    let e = even(a) - even(b);
    let o = odd(a) - odd(b);
    let s = vec4<u32>(e * e) + vec4<u32>(o * o);
    return s.x + s.y + s.z + s.w;
}

// Distance of the patches around (x, y) and source; exact if it is at most `best`.
fn measure(x: u32, y: u32, source: u32, best: u32) -> u32 {
    var sum = 0u;
    for (var j = 0u; j <= 2u * RADIUS; j += 1u) {
        let ty = y + j - RADIUS;
        if ty >= p.h {
            continue;
        }
        for (var i = 0u; i <= 2u * RADIUS; i += 1u) {
            let tx = x + i - RADIUS;
            if tx >= p.w {
                continue;
            }
            let at = ty * p.w + tx;
            let factor = select(select(0u, 1u, (site[at] & HOLE) != 0u), p.factor, (site[at] & KNOWN) != 0u);
            let from_source = texels[source + (j - RADIUS) * p.w + (i - RADIUS)];
            sum += factor * factor * squared(texels[at], from_source);
        }
        if sum > best {
            break;
        }
    }
    return sum;
}

fn is_source(x: u32, y: u32) -> bool {
    return x < p.w && y < p.h && (site[min(y, p.h - 1u) * p.w + min(x, p.w - 1u)] & SOURCE) != 0u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    if (site[at] & TARGET) == 0u {
        nnf_out[at] = NONE;
        distance_out[at] = 0u;
        return;
    }
    var best = distance[at];
    var best_source = nnf[at];
    if p.fresh != 0u {
        best = measure(x, y, best_source, NONE);
    }
    var reach = p.reach;
    var draw = 0u;
    for (var k = 0u; k < 4u || reach > 0u; k += 1u) {
        var sx: u32;
        var sy: u32;
        if k < 4u {
            // Up, left, right, down.
            let dx = select(select(0u, p.step, k == 2u), 0u - p.step, k == 1u);
            let dy = select(select(0u, p.step, k == 3u), 0u - p.step, k == 0u);
            if x + dx >= p.w || y + dy >= p.h {
                continue;
            }
            let source = nnf[(y + dy) * p.w + x + dx];
            if source == NONE {
                continue;
            }
            sx = source % p.w - dx;
            sy = source / p.w - dy;
        } else {
            let bits = random(p.seed, at, p.salt * 64u + draw);
            let span = 2u * reach + 1u;
            sx = best_source % p.w + (((bits & 0xffffu) * span) >> 16u) - reach;
            sy = best_source / p.w + (((bits >> 16u) * span) >> 16u) - reach;
            reach = reach / 2u;
            draw += 1u;
        }
        if !is_source(sx, sy) {
            continue;
        }
        let source = sy * p.w + sx;
        if source == best_source {
            continue;
        }
        let found = measure(x, y, source, best);
        if found < best || (found == best && source < best_source) {
            best = found;
            best_source = source;
        }
    }
    nnf_out[at] = best_source;
    distance_out[at] = best;
}
