// Transposed 3x3 convolution of stride 2 for software rasterisers. An invocation owns four input pixels of a row, hence two
// output rows of eight, and all eight output channels of its block, in registers. Lane l loads the weights of channel l and
// every lane gets them by a shuffle from a constant lane; the pixel right of the own four comes from the next lane.
#import unit
#import epilogue

struct Params {
    oc: u32,        // output channels
    h: u32,         // input rows
    w: u32,         // input columns
    cols: u32,      // row length of the inputs in vec4, ceil(w / 4)
    units: u32,     // invocations with work: N * h * cols
    oc_blocks: u32, // ceil(oc / 8)
    act: u32,       // Act::code
    ic0: u32,       // input channels of segment 0
    ic1: u32,       // input channels of segment 1
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [oc_blocks][channels][3][8 lanes]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, 2H, 2W]
@group(0) @binding(3) var<storage, read> x0: array<vec4<f32>>; // [N, ic0, h, cols]
@group(0) @binding(4) var<storage, read> x0_scalar: array<f32>; // the same buffer, [N, ic0, h, cols * 4]
#ifdef SEGMENT1
@group(0) @binding(5) var<storage, read> x1: array<vec4<f32>>; // [N, ic1, h, cols]
@group(0) @binding(6) var<storage, read> x1_scalar: array<f32>; // the same buffer, [N, ic1, h, cols * 4]
#endif
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, 2H, 2W]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

// One input row: the own four pixels and those one further right.
struct Row {
    c: vec4<f32>,
    r: vec4<f32>,
}

// Sums of one output channel by parity of the output pixel: (row, column) even or odd.
struct Sum {
    ee: vec4<f32>,
    eo: vec4<f32>,
    oe: vec4<f32>,
    oo: vec4<f32>,
}

var<private> lane: u32;
var<private> at_right: bool; // the own four pixels end the row
var<private> upper: Row;
var<private> lower: Row;
var<private> acc0: Sum;
var<private> acc1: Sum;
var<private> acc2: Sum;
var<private> acc3: Sum;
var<private> acc4: Sum;
var<private> acc5: Sum;
var<private> acc6: Sum;
var<private> acc7: Sum;

// `far` is the pixel right of lane 7; `inside` is 0 below the last row.
fn row(own: vec4<f32>, far: f32, inside: f32) -> Row {
    let right = select(subgroupShuffle(own.x, (lane + 1u) & 7u), far, lane == 7u);
    let c = own * inside;
    return Row(c, vec4<f32>(c.yzw, select(right * inside, 0.0, at_right)));
}

// Adds one input channel to one output channel; taps in the order of the 3x3 kernel, weights of lane `from_lane`.
fn taps(sum: Sum, first: vec4<f32>, second: vec4<f32>, last: f32, from_lane: u32) -> Sum {
    let f = subgroupShuffle(first, from_lane);
    let s = subgroupShuffle(second, from_lane);
    let t = subgroupShuffle(last, from_lane);
    return Sum(
        sum.ee + s.x * upper.c,
        sum.eo + s.y * upper.c + f.w * upper.r,
        sum.oe + s.w * upper.c + f.y * lower.c,
        sum.oo + t * upper.c + s.z * upper.r + f.z * lower.c + f.x * lower.r,
    );
}

fn add_channel(at: u32) {
    let w0 = weights[at];
    let w1 = weights[at + 8u];
    let w2 = weights[at + 16u].x;
    acc0 = taps(acc0, w0, w1, w2, 0u);
    acc1 = taps(acc1, w0, w1, w2, 1u);
    acc2 = taps(acc2, w0, w1, w2, 2u);
    acc3 = taps(acc3, w0, w1, w2, 3u);
    acc4 = taps(acc4, w0, w1, w2, 4u);
    acc5 = taps(acc5, w0, w1, w2, 5u);
    acc6 = taps(acc6, w0, w1, w2, 6u);
    acc7 = taps(acc7, w0, w1, w2, 7u);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    lane = index;
    let group = unit_of(wg, groups);
    let block = group % p.oc_blocks;
    let slot = group / p.oc_blocks * 8u + lane;
    let unit = min(slot, p.units - 1u);
    let col = unit % p.cols;
    let y = unit / p.cols % p.h;
    let b = unit / (p.cols * p.h);
    at_right = col == p.cols - 1u && (p.w & 3u) == 0u;
    let inside = select(0.0, 1.0, y + 1u < p.h);
    let r0 = y * p.cols + col;
    let r1 = min(y + 1u, p.h - 1u) * p.cols + col;
    let plane = p.h * p.cols;
    // From the own vec4 to the far pixel, in elements; at the end of a row it is not used.
    let far = select(4u, 0u, col == p.cols - 1u);

    var at = block * (p.ic0 + p.ic1) * 24u + lane;
    var base = b * p.ic0 * plane;
    for (var ic = 0u; ic < p.ic0; ic += 1u) {
        upper = row(x0[base + r0], x0_scalar[(base + r0) * 4u + far], 1.0);
        lower = row(x0[base + r1], x0_scalar[(base + r1) * 4u + far], inside);
        add_channel(at);
        at += 24u;
        base += plane;
    }
#ifdef SEGMENT1
    base = b * p.ic1 * plane;
    for (var ic = 0u; ic < p.ic1; ic += 1u) {
        upper = row(x1[base + r0], x1_scalar[(base + r0) * 4u + far], 1.0);
        lower = row(x1[base + r1], x1_scalar[(base + r1) * 4u + far], inside);
        add_channel(at);
        at += 24u;
        base += plane;
    }
#endif

    if slot < p.units {
        let oc = block * 8u;
        store(b, oc, y, col, acc0);
        store(b, oc + 1u, y, col, acc1);
        store(b, oc + 2u, y, col, acc2);
        store(b, oc + 3u, y, col, acc3);
        store(b, oc + 4u, y, col, acc4);
        store(b, oc + 5u, y, col, acc5);
        store(b, oc + 6u, y, col, acc6);
        store(b, oc + 7u, y, col, acc7);
    }
}

fn store(b: u32, oc: u32, y: u32, col: u32, sum: Sum) {
    if oc < p.oc {
        let to = ((b * p.oc + oc) * 2u * p.h + 2u * y) * 2u * p.w + 8u * col;
        store_pairs(to, col, activate4(sum.ee + bias[oc], p.act), activate4(sum.eo + bias[oc], p.act));
        store_pairs(to + 2u * p.w, col, activate4(sum.oe + bias[oc], p.act), activate4(sum.oo + bias[oc], p.act));
    }
}

fn store_pairs(first: u32, col: u32, even: vec4<f32>, odd: vec4<f32>) {
    for (var i = 0u; i < 4u; i += 1u) {
        if col * 4u + i < p.w {
            let to = first + 2u * i;
#ifdef RESIDUAL
            out[to] = even[i] + residual[to];
            out[to + 1u] = odd[i] + residual[to + 1u];
#else
            out[to] = even[i];
            out[to + 1u] = odd[i];
#endif
        }
    }
}
