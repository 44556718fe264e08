// Copies `source` to `copied`, both of `count` values.
@group(0) @binding(0) var<storage, read> source: array<f32>; // [count], any unit
@group(0) @binding(1) var<storage, read_write> copied: array<f32>; // [count], as the source
@group(0) @binding(2) var<uniform> count: vec4<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < count.x; i += groups.x * 64u) {
        copied[i] = source[i];
    }
}
