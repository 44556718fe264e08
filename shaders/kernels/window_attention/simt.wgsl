// Window attention for any GPU: 64 queries of one window and head per workgroup, keys and values by tiles through workgroup
// memory.
#import unit
#import attention_tile
#import window

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [N, h, w, 3 * heads * dim4]
@group(0) @binding(1) var<storage, read> pad: array<vec4<f32>>; // [3 * heads * dim4]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [N, h, w, heads * dim4]
#ifdef DISTANCE
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [heads, side_y, side_x] by distance along y and x
#endif
#ifdef DECOMPOSED
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [N * heads][along y, along x][side of a window][h * w], scores
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, vec4s

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    if unit >= p.units {
        return;
    }
    let block = unit % p.blocks;
    let head = unit / p.blocks % p.heads;
    let window = unit / (p.blocks * p.heads);
    let x0 = window % p.across * p.side_x;
    let y0 = window / p.across % p.down * p.side_y;
    let sample = window / (p.across * p.down);

    let number = block * 64u + lane;
    let qy = number / p.side_x;
    let qx = number - qy * p.side_x;
    let real = qy < p.side_y && y0 + qy < p.h && x0 + qx < p.w;
    let own = place(sample, min(y0 + qy, p.h - 1u), min(x0 + qx, p.w - 1u), head);
    for (var i = 0u; i < DIM4; i += 1u) {
        if i < p.dim4 {
            query[i] = x[own.at + i] * p.scale;
        }
    }
#ifdef DECOMPOSED
    let pixel = min(y0 + qy, p.h - 1u) * p.w + min(x0 + qx, p.w - 1u);
    let plane = p.h * p.w;
    let along_y = (sample * p.heads + head) * (p.side_y + p.side_x) * plane + pixel;
    let along_x = along_y + p.side_y * plane;
#endif
    let keys = p.side_y * p.side_x;
    for (var first = 0u; first < keys; first += KEYS) {
        for (var i = lane; i < TILE; i += 64u) {
            let key = min(first + i / DIM4, keys - 1u);
            let column = i % DIM4;
            let source = place(sample, y0 + key / p.side_x, x0 + key % p.side_x, head);
            var key_part = vec4<f32>();
            var value_part = vec4<f32>();
            if column < p.dim4 {
                key_part = channels(source, p.part_step + column);
                value_part = channels(source, 2u * p.part_step + column);
            }
            key_tile[i] = key_part;
            value_tile[i] = value_part;
        }
        workgroupBarrier();
        let count = min(KEYS, keys - first);
        for (var i = 0u; i < count; i += 1u) {
            var score = product(i);
            let ky = (first + i) / p.side_x;
            let kx = first + i - ky * p.side_x;
#ifdef DISTANCE
            score += bias[(head * p.side_y + min(apart(qy, ky), p.side_y - 1u)) * p.side_x + apart(qx, kx)];
#endif
#ifdef DECOMPOSED
            score += bias[along_y + ky * plane] + bias[along_x + kx * plane];
#endif
            attend(i, score);
        }
        workgroupBarrier();
    }
    if real {
        let at = (((sample * p.h + y0 + qy) * p.w + x0 + qx) * p.heads + head) * p.dim4;
        for (var i = 0u; i < DIM4; i += 1u) {
            if i < p.dim4 {
                out[at + i] = sums[i] / total;
            }
        }
    }
}
