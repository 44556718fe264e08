// Token rows times a weight matrix for any GPU: SIDE tokens by SIDE output channels a workgroup, through tiles in workgroup
// memory; an invocation owns four tokens by four channels.
#import unit
#import epilogue
#import token_params

@group(0) @binding(0) var<storage, read> x: array<f32>; // [rows, groups, ic]
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>; // [groups][depth][columns / 4]
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // [groups][columns / 4]
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [rows, groups, oc], or [N, 2 H, 2 W, oc / 4] for blocks
#ifdef RESIDUAL
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [rows, groups, oc]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // tokens, channels

var<workgroup> token_tile: array<vec4<f32>, TOKEN_TILE>; // [BK][TOKEN_STRIDE], the last of a row unused against bank conflicts
var<workgroup> weight_tile: array<vec4<f32>, WEIGHT_TILE>; // [BK][SIDE / 4]

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let channel_first = unit % p.channel_tiles * SIDE;
    let row_first = unit / p.channel_tiles % p.token_tiles * SIDE;
    let group = unit / (p.channel_tiles * p.token_tiles);
    if group >= p.groups {
        return;
    }
    let tx = lane % SIDE4;
    let ty = lane / SIDE4;
    let column4 = channel_first / 4u;

    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();
    for (var first = 0u; first < p.depth; first += BK) {
        for (var i = lane; i < WEIGHT_TILE; i += THREADS) {
            weight_tile[i] = weights[(group * p.depth + first + i / SIDE4) * (p.columns / 4u) + column4 + i % SIDE4];
        }
        // Channels past the end meet weights of zero; clamping keeps reads inside the tensor.
        let k = lane % BK;
        let channel = min(first + k, p.ic - 1u);
        for (var row = lane / BK; row < SIDE; row += THREADS / BK) {
            let token = min(row_first + row, p.rows - 1u) * p.groups + group;
            token_tile[k * TOKEN_STRIDE + row / 4u][row % 4u] = x[token * p.ic + channel];
        }
        workgroupBarrier();
        for (var i = 0u; i < BK; i += 1u) {
            let t = token_tile[i * TOKEN_STRIDE + ty];
            let w = weight_tile[i * SIDE4 + tx];
            acc0 += t.x * w;
            acc1 += t.y * w;
            acc2 += t.z * w;
            acc3 += t.w * w;
        }
        workgroupBarrier();
    }

    let row = row_first + ty * 4u;
    let channel = channel_first + tx * 4u;
    store(row, group, channel, acc0);
    store(row + 1u, group, channel, acc1);
    store(row + 2u, group, channel, acc2);
    store(row + 3u, group, channel, acc3);
}

fn store(row: u32, group: u32, channel: u32, sum: vec4<f32>) {
    if row >= p.rows {
        return;
    }
    let values = activate4(sum + bias[(group * p.columns + channel) / 4u], p.act);
    for (var i = 0u; i < 4u; i += 1u) {
        if channel + i < p.oc {
            let at = place(row * p.groups + group, channel + i);
#ifdef RESIDUAL
            out[at] = values[i] + residual[at];
#else
            out[at] = values[i];
#endif
        }
    }
}
