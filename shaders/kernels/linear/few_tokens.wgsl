// A handful of token rows times a weight matrix: 64 output channels by four tokens a workgroup. Four invocations share the
// input channels of one output channel and add up their parts at the end.
#import unit
#import epilogue
#import token_params

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, groups, ic]
@group(0) @binding(1) var<storage, read> weights: array<f32>; // [groups][depth][columns]
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [groups][columns]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [rows, groups, oc]
#ifdef RESIDUAL
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [rows, groups, oc]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // tokens, channels

var<workgroup> parts: array<vec4<f32>, 256>; // [4 parts][64 channels], four tokens each

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let channel = unit % p.channel_tiles * 64u + lane % 64u;
    let row = unit / p.channel_tiles % p.token_tiles * 4u;
    let group = unit / (p.channel_tiles * p.token_tiles);
    if group >= p.groups {
        return;
    }
    let last = p.rows - 1u;
    let t0 = (min(row, last) * p.groups + group) * p.ic;
    let t1 = (min(row + 1u, last) * p.groups + group) * p.ic;
    let t2 = (min(row + 2u, last) * p.groups + group) * p.ic;
    let t3 = (min(row + 3u, last) * p.groups + group) * p.ic;
    var sum = vec4<f32>();
    for (var k = lane / 64u; k < p.ic; k += 4u) {
        let w = weights[(group * p.depth + k) * p.columns + channel];
        sum += w * vec4<f32>(x[t0 + k], x[t1 + k], x[t2 + k], x[t3 + k]);
    }
    parts[lane] = sum;
    workgroupBarrier();
    // One invocation per token and channel.
    let token = lane / 64u;
    if row + token < p.rows && channel < p.oc {
        let i = lane % 64u;
        let total = parts[i][token] + parts[i + 64u][token] + parts[i + 128u][token] + parts[i + 192u][token];
        let at = place((row + token) * p.groups + group, channel);
        let value = activate(total + bias[group * p.columns + channel], p.act);
#ifdef RESIDUAL
        out[at] = value + residual[at];
#else
        out[at] = value;
#endif
    }
}
