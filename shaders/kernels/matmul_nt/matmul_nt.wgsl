// Inner products of token rows: four rows of a with one row of b per invocation.
#import unit

struct Params {
    count: u32,  // invocations: N * blocks * p
    m: u32,      // rows of a in a sample
    p: u32,      // rows of b in a sample
    c: u32,      // channels
    blocks: u32, // ceil(m / 4)
}

@group(0) @binding(0) var<storage, read> a: array<f32>; // [N, m, c]
@group(0) @binding(1) var<storage, read> b: array<f32>; // [N, p, c]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, m, p]
@group(0) @binding(3) var<uniform> p: Params; // rows, channels

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i >= p.count {
        return;
    }
    let column = i % p.p;
    let row = i / p.p % p.blocks * 4u;
    let sample = i / (p.p * p.blocks);
    let last = p.m - 1u;
    let base = sample * p.m;
    let a0 = (base + row) * p.c;
    let a1 = (base + min(row + 1u, last)) * p.c;
    let a2 = (base + min(row + 2u, last)) * p.c;
    let a3 = (base + min(row + 3u, last)) * p.c;
    let right = (sample * p.p + column) * p.c;
    var sum = vec4<f32>();
    for (var k = 0u; k < p.c; k += 1u) {
        sum += b[right + k] * vec4<f32>(a[a0 + k], a[a1 + k], a[a2 + k], a[a3 + k]);
    }
    for (var r = 0u; r < 4u; r += 1u) {
        if row + r < p.m {
            out[(base + row + r) * p.p + column] = sum[r];
        }
    }
}
