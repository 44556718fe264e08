// Attention for any GPU: 64 queries of one head per workgroup, keys and values by tiles through workgroup memory.
#import unit
#import attention_tile

struct Params {
    units: u32,   // workgroups with work: samples * heads * blocks
    queries: u32, // tokens of a sample
    keys: u32,    // tokens of a sample
    heads: u32,
    dim4: u32,    // vec4s of a head
    blocks: u32,  // ceil(queries / 64)
    scale: f32,   // of the inner products
}

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>; // [N, queries, heads, dim4]
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>; // [N, keys, heads, dim4]
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>; // [N, keys, heads, dim4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>; // [N, queries, heads, dim4]
@group(0) @binding(4) var<uniform> p: Params; // tokens, vec4s

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    if unit >= p.units {
        return;
    }
    let block = unit % p.blocks;
    let head = unit / p.blocks % p.heads;
    let sample = unit / (p.blocks * p.heads);
    let token = block * 64u + lane;
    let at = ((sample * p.queries + min(token, p.queries - 1u)) * p.heads + head) * p.dim4;
    for (var i = 0u; i < DIM4; i += 1u) {
        if i < p.dim4 {
            query[i] = q[at + i] * p.scale;
        }
    }
    for (var first = 0u; first < p.keys; first += KEYS) {
        for (var i = lane; i < TILE; i += 64u) {
            let key = min(first + i / DIM4, p.keys - 1u);
            let start = ((sample * p.keys + key) * p.heads + head) * p.dim4 + min(i % DIM4, p.dim4 - 1u);
            let inside = i % DIM4 < p.dim4;
            key_tile[i] = select(vec4<f32>(), k[start], inside);
            value_tile[i] = select(vec4<f32>(), v[start], inside);
        }
        workgroupBarrier();
        let count = min(KEYS, p.keys - first);
        for (var key = 0u; key < count; key += 1u) {
            attend(key, product(key));
        }
        workgroupBarrier();
    }
    if token < p.queries {
        for (var i = 0u; i < DIM4; i += 1u) {
            if i < p.dim4 {
                out[at + i] = sums[i] / total;
            }
        }
    }
}
