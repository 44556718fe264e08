// Per-channel scale and shift, one element per invocation.
#import unit

struct Params {
    count: u32,    // elements
    channels: u32, // C
    plane: u32,    // H * W
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, C, H * W]
@group(0) @binding(1) var<storage, read> map: array<f32>; // [2, C]: factors, offsets
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, C, H * W]
@group(0) @binding(3) var<uniform> p: Params; // elements

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i < p.count {
        let c = (i / p.plane) % p.channels;
        out[i] = map[c] * x[i] + map[p.channels + c];
    }
}
