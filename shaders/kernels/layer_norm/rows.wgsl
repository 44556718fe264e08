// Layer normalisation, one row (the channels of one token or pixel) per invocation, in three passes: mean, variance, result.
#import unit

struct Params {
    count: u32, // rows
    c: u32,     // elements of a row, of ELEMENT type
    plane: u32, // distance of a row's elements: 1 for tokens, H * W for maps
    channels: f32, // C
    eps: f32,   // added to the variance
}

@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [count, C] or [N, C, plane]
@group(0) @binding(1) var<storage, read> map: array<ELEMENT>; // [2, C]: factors, offsets
@group(0) @binding(2) var<storage, read_write> out: array<ELEMENT>; // like x
@group(0) @binding(3) var<uniform> p: Params; // rows, elements

fn total(v: ELEMENT) -> f32 {
#ifdef FOUR
    return v.x + v.y + v.z + v.w;
#else
    return v;
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = unit_of(wg, groups) * 64u + lane;
    if row >= p.count {
        return;
    }
    let base = row / p.plane * p.plane * p.c + row % p.plane;
    var sum = ELEMENT();
    for (var i = 0u; i < p.c; i += 1u) {
        sum += x[base + i * p.plane];
    }
    let mean = total(sum) / p.channels;
    var squares = ELEMENT();
    for (var i = 0u; i < p.c; i += 1u) {
        let d = x[base + i * p.plane] - mean;
        squares += d * d;
    }
    let scale = inverseSqrt(total(squares) / p.channels + p.eps);
    for (var i = 0u; i < p.c; i += 1u) {
        let at = base + i * p.plane;
        out[at] = (x[at] - mean) * scale * map[i] + map[p.c + i];
    }
}
