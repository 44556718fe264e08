// A run of tokens of every sample, one element per invocation.
#import unit

struct Params {
    count: u32, // elements of the output
    part: u32,  // elements of an output sample
    whole: u32, // elements of an input sample
    first: u32, // first element of the run in a sample
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, whole]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [N, part]
@group(0) @binding(2) var<uniform> p: Params; // elements

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i < p.count {
        out[i] = x[i / p.part * p.whole + p.first + i % p.part];
    }
}
