// Layer normalisation of tokens, one row per workgroup of 64 invocations that add up their parts.
#import unit

struct Params {
    count: u32, // rows
    c: u32,     // elements of a row
    plane: u32, // 1
    channels: f32, // C
    eps: f32,   // added to the variance
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [count, C]
@group(0) @binding(1) var<storage, read> map: array<f32>; // [2, C]: factors, offsets
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [count, C]
@group(0) @binding(3) var<uniform> p: Params; // rows, elements

var<workgroup> parts: array<f32, 64>;

// Sum of every invocation's part; all get it.
fn sum_of(part: f32, lane: u32) -> f32 {
    parts[lane] = part;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    let sum = parts[0];
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = unit_of(wg, groups);
    if row >= p.count {
        return;
    }
    let base = row * p.c;
    var part = 0.0;
    for (var i = lane; i < p.c; i += 64u) {
        part += x[base + i];
    }
    let mean = sum_of(part, lane) / p.channels;
    var squares = 0.0;
    for (var i = lane; i < p.c; i += 64u) {
        let d = x[base + i] - mean;
        squares += d * d;
    }
    let scale = inverseSqrt(sum_of(squares, lane) / p.channels + p.eps);
    for (var i = lane; i < p.c; i += 64u) {
        out[base + i] = (x[base + i] - mean) * scale * map[i] + map[p.c + i];
    }
}
