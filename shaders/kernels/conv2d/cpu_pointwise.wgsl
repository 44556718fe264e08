// 1x1 convolution for software rasterisers. An invocation owns two vec4 of pixels and all 32 output channels of its block,
// in registers; lane l loads the weights of channels 4l to 4l + 3 and every lane gets them by a shuffle from a constant
// lane. Planes are flat: rows do not matter here.
#import unit
#import epilogue

struct Params {
    oc: u32,        // output channels
    plane: u32,     // pixels of one channel, in and out
    plane4: u32,    // length of an input plane in vec4, ceil(plane / 4)
    tiles: u32,     // workgroups per image: ceil(plane4 / 16)
    oc_blocks: u32, // ceil(oc / 32)
    act: u32,       // Act::code
    ic: u32,        // input channels
    images: u32,    // N
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [oc_blocks][ceil(ic / 2)][2][8 lanes]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, plane]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>; // [N, ic, plane4]
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, plane]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

// Sums of one output channel: first and second vec4 of pixels.
struct Sum {
    a: vec4<f32>,
    b: vec4<f32>,
}

// The own pixels of two input channels.
var<private> x0: Sum;
var<private> x1: Sum;

// Adds both input channels to one output channel, with weights `first` and `second` of lane `from_lane`.
fn add(sum: Sum, first: f32, second: f32, from_lane: u32) -> Sum {
    let f = subgroupShuffle(first, from_lane);
    let s = subgroupShuffle(second, from_lane);
    return Sum(sum.a + f * x0.a + s * x1.a, sum.b + f * x0.b + s * x1.b);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = unit_of(wg, groups);
    let block = group % p.oc_blocks;
    let tile = group / p.oc_blocks % p.tiles;
    let b = group / (p.oc_blocks * p.tiles);
    if b >= p.images {
        return;
    }
    let first = tile * 16u + lane;
    let second = first + 8u;
    let last = p.plane4 - 1u;
    let from_a = min(first, last);
    let from_b = min(second, last);

    var acc0: Sum;
    var acc1: Sum;
    var acc2: Sum;
    var acc3: Sum;
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
    var acc16: Sum;
    var acc17: Sum;
    var acc18: Sum;
    var acc19: Sum;
    var acc20: Sum;
    var acc21: Sum;
    var acc22: Sum;
    var acc23: Sum;
    var acc24: Sum;
    var acc25: Sum;
    var acc26: Sum;
    var acc27: Sum;
    var acc28: Sum;
    var acc29: Sum;
    var acc30: Sum;
    var acc31: Sum;

    var at = block * ((p.ic + 1u) / 2u) * 16u + lane;
    var base = b * p.ic * p.plane4;
    for (var ic = 0u; ic < p.ic; ic += 2u) {
        // The second channel of an odd last pair meets weights of zero.
        let next = base + select(0u, p.plane4, ic + 1u < p.ic);
        x0 = Sum(x[base + from_a], x[base + from_b]);
        x1 = Sum(x[next + from_a], x[next + from_b]);
        let w0 = weights[at];
        let w1 = weights[at + 8u];
        acc0 = add(acc0, w0.x, w1.x, 0u);
        acc1 = add(acc1, w0.y, w1.y, 0u);
        acc2 = add(acc2, w0.z, w1.z, 0u);
        acc3 = add(acc3, w0.w, w1.w, 0u);
        acc4 = add(acc4, w0.x, w1.x, 1u);
        acc5 = add(acc5, w0.y, w1.y, 1u);
        acc6 = add(acc6, w0.z, w1.z, 1u);
        acc7 = add(acc7, w0.w, w1.w, 1u);
        acc8 = add(acc8, w0.x, w1.x, 2u);
        acc9 = add(acc9, w0.y, w1.y, 2u);
        acc10 = add(acc10, w0.z, w1.z, 2u);
        acc11 = add(acc11, w0.w, w1.w, 2u);
        acc12 = add(acc12, w0.x, w1.x, 3u);
        acc13 = add(acc13, w0.y, w1.y, 3u);
        acc14 = add(acc14, w0.z, w1.z, 3u);
        acc15 = add(acc15, w0.w, w1.w, 3u);
        acc16 = add(acc16, w0.x, w1.x, 4u);
        acc17 = add(acc17, w0.y, w1.y, 4u);
        acc18 = add(acc18, w0.z, w1.z, 4u);
        acc19 = add(acc19, w0.w, w1.w, 4u);
        acc20 = add(acc20, w0.x, w1.x, 5u);
        acc21 = add(acc21, w0.y, w1.y, 5u);
        acc22 = add(acc22, w0.z, w1.z, 5u);
        acc23 = add(acc23, w0.w, w1.w, 5u);
        acc24 = add(acc24, w0.x, w1.x, 6u);
        acc25 = add(acc25, w0.y, w1.y, 6u);
        acc26 = add(acc26, w0.z, w1.z, 6u);
        acc27 = add(acc27, w0.w, w1.w, 6u);
        acc28 = add(acc28, w0.x, w1.x, 7u);
        acc29 = add(acc29, w0.y, w1.y, 7u);
        acc30 = add(acc30, w0.z, w1.z, 7u);
        acc31 = add(acc31, w0.w, w1.w, 7u);
        at += 16u;
        base += 2u * p.plane4;
    }

    let oc = block * 32u;
    store(b, oc, first, second, acc0);
    store(b, oc + 1u, first, second, acc1);
    store(b, oc + 2u, first, second, acc2);
    store(b, oc + 3u, first, second, acc3);
    store(b, oc + 4u, first, second, acc4);
    store(b, oc + 5u, first, second, acc5);
    store(b, oc + 6u, first, second, acc6);
    store(b, oc + 7u, first, second, acc7);
    store(b, oc + 8u, first, second, acc8);
    store(b, oc + 9u, first, second, acc9);
    store(b, oc + 10u, first, second, acc10);
    store(b, oc + 11u, first, second, acc11);
    store(b, oc + 12u, first, second, acc12);
    store(b, oc + 13u, first, second, acc13);
    store(b, oc + 14u, first, second, acc14);
    store(b, oc + 15u, first, second, acc15);
    store(b, oc + 16u, first, second, acc16);
    store(b, oc + 17u, first, second, acc17);
    store(b, oc + 18u, first, second, acc18);
    store(b, oc + 19u, first, second, acc19);
    store(b, oc + 20u, first, second, acc20);
    store(b, oc + 21u, first, second, acc21);
    store(b, oc + 22u, first, second, acc22);
    store(b, oc + 23u, first, second, acc23);
    store(b, oc + 24u, first, second, acc24);
    store(b, oc + 25u, first, second, acc25);
    store(b, oc + 26u, first, second, acc26);
    store(b, oc + 27u, first, second, acc27);
    store(b, oc + 28u, first, second, acc28);
    store(b, oc + 29u, first, second, acc29);
    store(b, oc + 30u, first, second, acc30);
    store(b, oc + 31u, first, second, acc31);
}

fn store(b: u32, oc: u32, first: u32, second: u32, sum: Sum) {
    if oc < p.oc {
        let to = (b * p.oc + oc) * p.plane;
        store_four(to, first * 4u, activate4(sum.a + bias[oc], p.act));
        store_four(to, second * 4u, activate4(sum.b + bias[oc], p.act));
    }
}

fn store_four(plane: u32, pixel: u32, values: vec4<f32>) {
    for (var i = 0u; i < 4u; i += 1u) {
        if pixel + i < p.plane {
            let to = plane + pixel + i;
#ifdef RESIDUAL
            out[to] = values[i] + residual[to];
#else
            out[to] = values[i];
#endif
        }
    }
}
