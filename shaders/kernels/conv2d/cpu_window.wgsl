// 7x7 convolution of stride 1 with reflect padding for software rasterisers (network stems and heads). An invocation owns
// eight pixels of a row and all CHANNELS output channels of its block, in registers; per input channel and kernel row it
// loads the 14 pixels under its taps. Weights lie spread over the lanes and are broadcast by shuffles from constant lanes.
#import unit
#import source
#import epilogue

struct Params {
    oc: u32,        // output channels
    h: u32,         // rows, in and out
    w: u32,         // columns, in and out
    cols: u32,      // ceil(w / 8)
    units: u32,     // invocations with work: N * h * cols
    oc_blocks: u32, // ceil(oc / CHANNELS)
    act: u32,       // Act::code
    ic: u32,        // input channels
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [oc_blocks][ic][7 rows][vec4s][8 lanes]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, H, W]
@group(0) @binding(3) var<storage, read> x: array<f32>; // [N, ic, H, W]
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, H, W]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

// Sums of one output channel: left and right four pixels.
struct Sum {
    a: vec4<f32>,
    b: vec4<f32>,
}

// Four pixels under tap 0..6 of the left four, then tap 3..6 of the right four (its taps 0..2 are those four further left).

var<private> t0: vec4<f32>;
var<private> t1: vec4<f32>;
var<private> t2: vec4<f32>;
var<private> t3: vec4<f32>;
var<private> t4: vec4<f32>;
var<private> t5: vec4<f32>;
var<private> t6: vec4<f32>;
var<private> t7: vec4<f32>;
var<private> t8: vec4<f32>;
var<private> t9: vec4<f32>;
var<private> t10: vec4<f32>;

// Adds the seven taps of one kernel row: weights 0..3 in `f`, 4..6 in `s`.
fn taps(sum: Sum, f: vec4<f32>, s: vec4<f32>) -> Sum {
    let a = sum.a + f.x * t0 + f.y * t1 + f.z * t2 + f.w * t3 + s.x * t4 + s.y * t5 + s.z * t6;
    let b = sum.b + f.x * t4 + f.y * t5 + f.z * t6 + f.w * t7 + s.x * t8 + s.y * t9 + s.z * t10;
    return Sum(a, b);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = unit_of(wg, groups);
    let block = group % p.oc_blocks;
    let slot = group / p.oc_blocks * 8u + lane;
    let unit = min(slot, p.units - 1u);
    let col = unit % p.cols;
    let y = unit / p.cols % p.h;
    let b = unit / (p.cols * p.h);
    // Columns under the taps; those of pixels past the end of the row are clamped, and these pixels are not stored.
    let c0 = u32(source(min(i32(col * 8u) + -3, i32(p.w) + 2), i32(p.w), 1u));
    let c1 = u32(source(min(i32(col * 8u) + -2, i32(p.w) + 2), i32(p.w), 1u));
    let c2 = u32(source(min(i32(col * 8u) + -1, i32(p.w) + 2), i32(p.w), 1u));
    let c3 = u32(source(min(i32(col * 8u) + 0, i32(p.w) + 2), i32(p.w), 1u));
    let c4 = u32(source(min(i32(col * 8u) + 1, i32(p.w) + 2), i32(p.w), 1u));
    let c5 = u32(source(min(i32(col * 8u) + 2, i32(p.w) + 2), i32(p.w), 1u));
    let c6 = u32(source(min(i32(col * 8u) + 3, i32(p.w) + 2), i32(p.w), 1u));
    let c7 = u32(source(min(i32(col * 8u) + 4, i32(p.w) + 2), i32(p.w), 1u));
    let c8 = u32(source(min(i32(col * 8u) + 5, i32(p.w) + 2), i32(p.w), 1u));
    let c9 = u32(source(min(i32(col * 8u) + 6, i32(p.w) + 2), i32(p.w), 1u));
    let c10 = u32(source(min(i32(col * 8u) + 7, i32(p.w) + 2), i32(p.w), 1u));
    let c11 = u32(source(min(i32(col * 8u) + 8, i32(p.w) + 2), i32(p.w), 1u));
    let c12 = u32(source(min(i32(col * 8u) + 9, i32(p.w) + 2), i32(p.w), 1u));
    let c13 = u32(source(min(i32(col * 8u) + 10, i32(p.w) + 2), i32(p.w), 1u));
    var acc0: Sum;
    var acc1: Sum;
    var acc2: Sum;
    var acc3: Sum;
#ifdef SIXTEEN
    var acc4: Sum;
    var acc5: Sum;
    var acc6: Sum;
    var acc7: Sum;
    var acc8: Sum;
    var acc9: Sum;
    var acc10: Sum;
    var acc11: Sum;
    var acc12: Sum;
    var acc13: Sum;
    var acc14: Sum;
    var acc15: Sum;
#endif
    var at = block * p.ic * 7u * STEP + lane;
    var base = b * p.ic * p.h * p.w;
    for (var ic = 0u; ic < p.ic; ic += 1u) {
        for (var ky = 0u; ky < 7u; ky += 1u) {
            let row = base + u32(source(i32(y + ky) - 3, i32(p.h), 1u)) * p.w;
            let v0 = x[row + c0];
            let v1 = x[row + c1];
            let v2 = x[row + c2];
            let v3 = x[row + c3];
            let v4 = x[row + c4];
            let v5 = x[row + c5];
            let v6 = x[row + c6];
            let v7 = x[row + c7];
            let v8 = x[row + c8];
            let v9 = x[row + c9];
            let v10 = x[row + c10];
            let v11 = x[row + c11];
            let v12 = x[row + c12];
            let v13 = x[row + c13];
            t0 = vec4<f32>(v0, v1, v2, v3);
            t1 = vec4<f32>(v1, v2, v3, v4);
            t2 = vec4<f32>(v2, v3, v4, v5);
            t3 = vec4<f32>(v3, v4, v5, v6);
            t4 = vec4<f32>(v4, v5, v6, v7);
            t5 = vec4<f32>(v5, v6, v7, v8);
            t6 = vec4<f32>(v6, v7, v8, v9);
            t7 = vec4<f32>(v7, v8, v9, v10);
            t8 = vec4<f32>(v8, v9, v10, v11);
            t9 = vec4<f32>(v9, v10, v11, v12);
            t10 = vec4<f32>(v10, v11, v12, v13);
#ifdef SIXTEEN
            let w0 = weights[at];
            let w1 = weights[at + 8u];
            let w2 = weights[at + 16u];
            let w3 = weights[at + 24u];
            acc0 = taps(acc0, subgroupShuffle(w0, 0u), subgroupShuffle(w1, 0u));
            acc1 = taps(acc1, subgroupShuffle(w2, 0u), subgroupShuffle(w3, 0u));
            acc2 = taps(acc2, subgroupShuffle(w0, 1u), subgroupShuffle(w1, 1u));
            acc3 = taps(acc3, subgroupShuffle(w2, 1u), subgroupShuffle(w3, 1u));
            acc4 = taps(acc4, subgroupShuffle(w0, 2u), subgroupShuffle(w1, 2u));
            acc5 = taps(acc5, subgroupShuffle(w2, 2u), subgroupShuffle(w3, 2u));
            acc6 = taps(acc6, subgroupShuffle(w0, 3u), subgroupShuffle(w1, 3u));
            acc7 = taps(acc7, subgroupShuffle(w2, 3u), subgroupShuffle(w3, 3u));
            acc8 = taps(acc8, subgroupShuffle(w0, 4u), subgroupShuffle(w1, 4u));
            acc9 = taps(acc9, subgroupShuffle(w2, 4u), subgroupShuffle(w3, 4u));
            acc10 = taps(acc10, subgroupShuffle(w0, 5u), subgroupShuffle(w1, 5u));
            acc11 = taps(acc11, subgroupShuffle(w2, 5u), subgroupShuffle(w3, 5u));
            acc12 = taps(acc12, subgroupShuffle(w0, 6u), subgroupShuffle(w1, 6u));
            acc13 = taps(acc13, subgroupShuffle(w2, 6u), subgroupShuffle(w3, 6u));
            acc14 = taps(acc14, subgroupShuffle(w0, 7u), subgroupShuffle(w1, 7u));
            acc15 = taps(acc15, subgroupShuffle(w2, 7u), subgroupShuffle(w3, 7u));
#else
            let w = weights[at];
            acc0 = taps(acc0, subgroupShuffle(w, 0u), subgroupShuffle(w, 1u));
            acc1 = taps(acc1, subgroupShuffle(w, 2u), subgroupShuffle(w, 3u));
            acc2 = taps(acc2, subgroupShuffle(w, 4u), subgroupShuffle(w, 5u));
            acc3 = taps(acc3, subgroupShuffle(w, 6u), subgroupShuffle(w, 7u));
#endif
            at += STEP;
        }
        base += p.h * p.w;
    }
    if slot < p.units {
        let oc = block * CHANNELS;
        store(b, oc, y, col * 8u, acc0);
        store(b, oc + 1u, y, col * 8u, acc1);
        store(b, oc + 2u, y, col * 8u, acc2);
        store(b, oc + 3u, y, col * 8u, acc3);
#ifdef SIXTEEN
        store(b, oc + 4u, y, col * 8u, acc4);
        store(b, oc + 5u, y, col * 8u, acc5);
        store(b, oc + 6u, y, col * 8u, acc6);
        store(b, oc + 7u, y, col * 8u, acc7);
        store(b, oc + 8u, y, col * 8u, acc8);
        store(b, oc + 9u, y, col * 8u, acc9);
        store(b, oc + 10u, y, col * 8u, acc10);
        store(b, oc + 11u, y, col * 8u, acc11);
        store(b, oc + 12u, y, col * 8u, acc12);
        store(b, oc + 13u, y, col * 8u, acc13);
        store(b, oc + 14u, y, col * 8u, acc14);
        store(b, oc + 15u, y, col * 8u, acc15);
#endif
    }
}

fn store(b: u32, oc: u32, y: u32, first: u32, sum: Sum) {
    if oc < p.oc {
        let row = ((b * p.oc + oc) * p.h + y) * p.w;
        store_four(row, first, activate4(sum.a + bias[oc], p.act));
        store_four(row, first + 4u, activate4(sum.b + bias[oc], p.act));
    }
}

fn store_four(row: u32, first: u32, values: vec4<f32>) {
    for (var i = 0u; i < 4u; i += 1u) {
        if first + i < p.w {
            let to = row + first + i;
#ifdef RESIDUAL
            out[to] = values[i] + residual[to];
#else
            out[to] = values[i];
#endif
        }
    }
}
