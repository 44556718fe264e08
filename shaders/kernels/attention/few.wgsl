// Attention of few queries: one query of one head per workgroup, whose 64 invocations share the keys and join their softmaxes
// at the end.
#import unit

struct Params {
    units: u32,   // workgroups with work: samples * heads * queries
    queries: u32, // tokens of a sample
    keys: u32,    // tokens of a sample
    heads: u32,
    dim4: u32,    // vec4s of a head
    blocks: u32,  // unused
    scale: f32,   // of the inner products
}

@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>; // [N, queries, heads, dim4]
@group(0) @binding(1) var<storage, read> k: array<vec4<f32>>; // [N, keys, heads, dim4]
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>; // [N, keys, heads, dim4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>; // [N, queries, heads, dim4]
@group(0) @binding(4) var<uniform> p: Params; // tokens, vec4s

var<workgroup> scalars: array<f32, 64>;
var<workgroup> vectors: array<vec4<f32>, 64>;

// The largest of all invocations' values.
fn largest(value: f32, lane: u32) -> f32 {
    scalars[lane] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            scalars[lane] = max(scalars[lane], scalars[lane + half]);
        }
        workgroupBarrier();
    }
    let result = scalars[0];
    workgroupBarrier();
    return result;
}

// The sum of all invocations' values.
fn sum_of(value: vec4<f32>, lane: u32) -> vec4<f32> {
    vectors[lane] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            vectors[lane] += vectors[lane + half];
        }
        workgroupBarrier();
    }
    let result = vectors[0];
    workgroupBarrier();
    return result;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    if unit >= p.units {
        return;
    }
    let token = unit % p.queries;
    let head = unit / p.queries % p.heads;
    let sample = unit / (p.queries * p.heads);
    let at = ((sample * p.queries + token) * p.heads + head) * p.dim4;
    var query: array<vec4<f32>, DIM4>;
    var sums: array<vec4<f32>, DIM4>;
    for (var i = 0u; i < DIM4; i += 1u) {
        if i < p.dim4 {
            query[i] = q[at + i] * p.scale;
        }
    }
    var top = -3e38;
    var total = 0.0;
    for (var key = lane; key < p.keys; key += 64u) {
        let start = ((sample * p.keys + key) * p.heads + head) * p.dim4;
        var s = vec4<f32>();
        for (var i = 0u; i < DIM4; i += 1u) {
            if i < p.dim4 {
                s += query[i] * k[start + i];
            }
        }
        let score = s.x + s.y + s.z + s.w;
        let next = max(top, score);
        let keep = exp(top - next);
        let w = exp(score - next);
        top = next;
        total = total * keep + w;
        for (var i = 0u; i < DIM4; i += 1u) {
            if i < p.dim4 {
                sums[i] = sums[i] * keep + w * v[start + i];
            }
        }
    }
    // An invocation without keys has a total of zero.
    let keep = exp(top - largest(top, lane));
    let whole = sum_of(vec4<f32>(total * keep), lane).x;
    for (var i = 0u; i < DIM4; i += 1u) {
        let sum = sum_of(sums[i] * keep, lane);
        if lane == 0u && i < p.dim4 {
            out[at + i] = sum / whole;
        }
    }
}
