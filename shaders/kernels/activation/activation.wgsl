// Element-wise activation, one element per invocation.
#import unit
#import epilogue

struct Params {
    count: u32, // elements
    act: u32,   // Act::code
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [count]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [count]
@group(0) @binding(2) var<uniform> p: Params; // elements

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i < p.count {
        out[i] = activate(x[i], p.act);
    }
}
