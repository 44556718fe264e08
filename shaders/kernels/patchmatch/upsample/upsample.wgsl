// The field of the next finer level; one target per invocation.
#import unit
#import patch

struct Params {
    h: u32, // fine pixels
    w: u32, // fine pixels
    count: u32, // sources
    seed: u32,
}

@group(0) @binding(0) var<storage, read> coarse: array<u32>; // [ceil(H/2), ceil(W/2)], source index
@group(0) @binding(1) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(2) var<storage, read> sources: array<u32>; // [count], source index
@group(0) @binding(3) var<storage, read_write> out: array<u32>; // [H, W], source index
@group(0) @binding(4) var<storage, read_write> distance: array<u32>; // [H, W], zeros
@group(0) @binding(5) var<uniform> p: Params;

fn is_source(x: i32, y: i32) -> bool {
    if x < 0 || y < 0 || x >= i32(p.w) || y >= i32(p.h) {
        return false;
    }
    return (site[u32(y) * p.w + u32(x)] & SOURCE) != 0u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    let x = at - y * p.w;
    distance[at] = 0u;
    if (site[at] & TARGET) == 0u {
        out[at] = NONE;
        return;
    }
    var found = NONE;
    let cw = (p.w + 1u) / 2u;
    let parent = coarse[(y / 2u) * cw + x / 2u];
    if parent != NONE {
        let px = i32(2u * (parent % cw) + (x & 1u));
        let py = i32(2u * (parent / cw) + (y & 1u));
        if is_source(px, py) {
            found = u32(py) * p.w + u32(px);
        } else {
            var best = 0x7fffffff;
            for (var dy = -NEAR; dy <= NEAR; dy += 1) {
                for (var dx = -NEAR; dx <= NEAR; dx += 1) {
                    let far = dx * dx + dy * dy;
                    if far < best && is_source(px + dx, py + dy) {
                        best = far;
                        found = u32(py + dy) * p.w + u32(px + dx);
                    }
                }
            }
        }
    }
    if found == NONE {
        found = sources[random(p.seed, at, 0x7570u) % p.count];
    }
    out[at] = found;
}
