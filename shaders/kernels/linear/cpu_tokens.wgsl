// Token rows times a weight matrix for software rasterisers. An invocation owns four tokens and all 32 output channels of its
// block, in registers; lane l loads the weights of channels 4 l to 4 l + 3 and every lane gets them by a shuffle from a
// constant lane. Channel counts are multiples of four.
#import unit
#import epilogue
#import token_params

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [rows, groups, ic / 4]
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>; // [groups][channel_tiles][ic][8 lanes]
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // [groups][columns / 4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>; // [rows, groups, oc / 4], or [N, 2 H, 2 W, oc / 16] for blocks
#ifdef RESIDUAL
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>; // [rows, groups, oc / 4]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // tokens, channels

// Four input channels of the own four tokens: one vec4 of tokens per channel.
var<private> x0: vec4<f32>;
var<private> x1: vec4<f32>;
var<private> x2: vec4<f32>;
var<private> x3: vec4<f32>;

// Adds four input channels to one output channel, with weights that lane `from_lane` holds.
fn add(sum: vec4<f32>, w0: f32, w1: f32, w2: f32, w3: f32, from_lane: u32) -> vec4<f32> {
    return sum + subgroupShuffle(w0, from_lane) * x0 + subgroupShuffle(w1, from_lane) * x1 + subgroupShuffle(w2, from_lane) * x2
        + subgroupShuffle(w3, from_lane) * x3;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let tile = unit % p.channel_tiles;
    let first = unit / p.channel_tiles % p.token_tiles * 32u + lane;
    let group = unit / (p.channel_tiles * p.token_tiles);
    if group >= p.groups {
        return;
    }
    let last = p.rows - 1u;
    let ic4 = p.ic / 4u;
    let t0 = (min(first, last) * p.groups + group) * ic4;
    let t1 = (min(first + 8u, last) * p.groups + group) * ic4;
    let t2 = (min(first + 16u, last) * p.groups + group) * ic4;
    let t3 = (min(first + 24u, last) * p.groups + group) * ic4;

    var acc0: vec4<f32>;
    var acc1: vec4<f32>;
    var acc2: vec4<f32>;
    var acc3: vec4<f32>;
    var acc4: vec4<f32>;
    var acc5: vec4<f32>;
    var acc6: vec4<f32>;
    var acc7: vec4<f32>;
    var acc8: vec4<f32>;
    var acc9: vec4<f32>;
    var acc10: vec4<f32>;
    var acc11: vec4<f32>;
    var acc12: vec4<f32>;
    var acc13: vec4<f32>;
    var acc14: vec4<f32>;
    var acc15: vec4<f32>;
    var acc16: vec4<f32>;
    var acc17: vec4<f32>;
    var acc18: vec4<f32>;
    var acc19: vec4<f32>;
    var acc20: vec4<f32>;
    var acc21: vec4<f32>;
    var acc22: vec4<f32>;
    var acc23: vec4<f32>;
    var acc24: vec4<f32>;
    var acc25: vec4<f32>;
    var acc26: vec4<f32>;
    var acc27: vec4<f32>;
    var acc28: vec4<f32>;
    var acc29: vec4<f32>;
    var acc30: vec4<f32>;
    var acc31: vec4<f32>;

    var at = (group * p.channel_tiles + tile) * p.ic * 8u + lane;
    for (var k = 0u; k < ic4; k += 1u) {
        let a = x[t0 + k];
        let b = x[t1 + k];
        let c = x[t2 + k];
        let d = x[t3 + k];
        x0 = vec4<f32>(a.x, b.x, c.x, d.x);
        x1 = vec4<f32>(a.y, b.y, c.y, d.y);
        x2 = vec4<f32>(a.z, b.z, c.z, d.z);
        x3 = vec4<f32>(a.w, b.w, c.w, d.w);
        let w0 = weights[at];
        let w1 = weights[at + 8u];
        let w2 = weights[at + 16u];
        let w3 = weights[at + 24u];
        acc0 = add(acc0, w0.x, w1.x, w2.x, w3.x, 0u);
        acc1 = add(acc1, w0.y, w1.y, w2.y, w3.y, 0u);
        acc2 = add(acc2, w0.z, w1.z, w2.z, w3.z, 0u);
        acc3 = add(acc3, w0.w, w1.w, w2.w, w3.w, 0u);
        acc4 = add(acc4, w0.x, w1.x, w2.x, w3.x, 1u);
        acc5 = add(acc5, w0.y, w1.y, w2.y, w3.y, 1u);
        acc6 = add(acc6, w0.z, w1.z, w2.z, w3.z, 1u);
        acc7 = add(acc7, w0.w, w1.w, w2.w, w3.w, 1u);
        acc8 = add(acc8, w0.x, w1.x, w2.x, w3.x, 2u);
        acc9 = add(acc9, w0.y, w1.y, w2.y, w3.y, 2u);
        acc10 = add(acc10, w0.z, w1.z, w2.z, w3.z, 2u);
        acc11 = add(acc11, w0.w, w1.w, w2.w, w3.w, 2u);
        acc12 = add(acc12, w0.x, w1.x, w2.x, w3.x, 3u);
        acc13 = add(acc13, w0.y, w1.y, w2.y, w3.y, 3u);
        acc14 = add(acc14, w0.z, w1.z, w2.z, w3.z, 3u);
        acc15 = add(acc15, w0.w, w1.w, w2.w, w3.w, 3u);
        acc16 = add(acc16, w0.x, w1.x, w2.x, w3.x, 4u);
        acc17 = add(acc17, w0.y, w1.y, w2.y, w3.y, 4u);
        acc18 = add(acc18, w0.z, w1.z, w2.z, w3.z, 4u);
        acc19 = add(acc19, w0.w, w1.w, w2.w, w3.w, 4u);
        acc20 = add(acc20, w0.x, w1.x, w2.x, w3.x, 5u);
        acc21 = add(acc21, w0.y, w1.y, w2.y, w3.y, 5u);
        acc22 = add(acc22, w0.z, w1.z, w2.z, w3.z, 5u);
        acc23 = add(acc23, w0.w, w1.w, w2.w, w3.w, 5u);
        acc24 = add(acc24, w0.x, w1.x, w2.x, w3.x, 6u);
        acc25 = add(acc25, w0.y, w1.y, w2.y, w3.y, 6u);
        acc26 = add(acc26, w0.z, w1.z, w2.z, w3.z, 6u);
        acc27 = add(acc27, w0.w, w1.w, w2.w, w3.w, 6u);
        acc28 = add(acc28, w0.x, w1.x, w2.x, w3.x, 7u);
        acc29 = add(acc29, w0.y, w1.y, w2.y, w3.y, 7u);
        acc30 = add(acc30, w0.z, w1.z, w2.z, w3.z, 7u);
        acc31 = add(acc31, w0.w, w1.w, w2.w, w3.w, 7u);
        at += 32u;
    }

    let channel = tile * 32u;
    store(first, group, channel, acc0, acc1, acc2, acc3);
    store(first, group, channel + 4u, acc4, acc5, acc6, acc7);
    store(first, group, channel + 8u, acc8, acc9, acc10, acc11);
    store(first, group, channel + 12u, acc12, acc13, acc14, acc15);
    store(first, group, channel + 16u, acc16, acc17, acc18, acc19);
    store(first, group, channel + 20u, acc20, acc21, acc22, acc23);
    store(first, group, channel + 24u, acc24, acc25, acc26, acc27);
    store(first, group, channel + 28u, acc28, acc29, acc30, acc31);
}

// Stores four output channels of the own four tokens.
fn store(first: u32, group: u32, channel: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    if channel < p.oc {
        store_token(first, group, channel, vec4<f32>(a.x, b.x, c.x, d.x));
        store_token(first + 8u, group, channel, vec4<f32>(a.y, b.y, c.y, d.y));
        store_token(first + 16u, group, channel, vec4<f32>(a.z, b.z, c.z, d.z));
        store_token(first + 24u, group, channel, vec4<f32>(a.w, b.w, c.w, d.w));
    }
}

fn store_token(row: u32, group: u32, channel: u32, sum: vec4<f32>) {
    if row < p.rows {
        let at = place(row * p.groups + group, channel) / 4u;
        let values = activate4(sum + bias[(group * p.columns + channel) / 4u], p.act);
#ifdef RESIDUAL
        out[at] = values + residual[at];
#else
        out[at] = values;
#endif
    }
}
