// 3x3 convolution of padding 1 for software rasterisers. An invocation owns two rows of four output pixels and all 16
// output channels of its block, in registers. Lane l loads the weights of channels 2l and 2l + 1, and every lane gets
// them by a shuffle from a constant lane; pixels left and right of the own four come from the neighbouring lanes.
// No workgroup memory, no barriers: there they cost more than they save.
#import unit
#import source
#import epilogue

struct Params {
    oc: u32,        // output channels
    h: u32,         // input rows
    in_cols: u32,   // row length of the inputs in vec4: cols * stride
    oh: u32,        // output rows
    ow: u32,        // output columns
    cols: u32,      // output columns in vec4, ceil(ow / 4)
    units: u32,     // invocations with work: N * ceil(oh / 2) * cols
    oc_blocks: u32, // ceil(oc / 16)
    act: u32,       // Act::code
    ic0: u32,       // input channels of segment 0
    ic1: u32,       // input channels of segment 1
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [oc_blocks][segment][channels][vec4s][8 lanes]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc_blocks * 16]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, OH, OW]
@group(0) @binding(3) var<storage, read> x0: array<vec4<f32>>; // [N, ic0, h, in_cols]
@group(0) @binding(4) var<storage, read> x0_scalar: array<f32>; // the same buffer, [N, ic0, h, in_cols * 4]
#ifdef SEGMENT1
@group(0) @binding(5) var<storage, read> x1: array<vec4<f32>>; // [N, ic1, h, in_cols]
#endif
#ifdef SEGMENT1_3X3
@group(0) @binding(6) var<storage, read> x1_scalar: array<f32>; // the same buffer, [N, ic1, h, in_cols * 4]
#endif
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, OH, OW]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

// One input row under the left, middle and right taps of the own four pixels.
struct Row {
    l: vec4<f32>,
    c: vec4<f32>,
    r: vec4<f32>,
}

// Sums of one output channel: upper and lower row.
struct Sum {
    a: vec4<f32>,
    b: vec4<f32>,
}

var<private> lane: u32;
var<private> at_left: bool; // the own four pixels begin the row
var<private> at_right: bool; // they end it
var<private> row0: Row;
var<private> row1: Row;
var<private> row2: Row;
var<private> row3: Row;
#ifdef STRIDE2
var<private> row4: Row;
#endif
var<private> acc0: Sum;
var<private> acc1: Sum;
var<private> acc2: Sum;
var<private> acc3: Sum;
var<private> acc4: Sum;
var<private> acc5: Sum;
var<private> acc6: Sum;
var<private> acc7: Sum;
var<private> acc8: Sum;
var<private> acc9: Sum;
var<private> acc10: Sum;
var<private> acc11: Sum;
var<private> acc12: Sum;
var<private> acc13: Sum;
var<private> acc14: Sum;
var<private> acc15: Sum;

// `far` is the pixel that no neighbouring lane holds: left of the own ones on lane 0, right of them on lane 7.
// `inside` is 0 for rows of zero padding.
#ifdef STRIDE2
fn row(even: vec4<f32>, odd: vec4<f32>, far: f32, inside: f32) -> Row {
    let left = select(subgroupShuffle(odd.w, (lane + 7u) & 7u), far, lane == 0u);
#ifdef ZERO
    let l = select(left, 0.0, at_left) * inside;
    let a = even * inside;
    let b = odd * inside;
#else
    let l = select(left, even.y, at_left);
    let a = even;
    let b = odd;
#endif
    return Row(vec4<f32>(l, a.yw, b.y), vec4<f32>(a.xz, b.xz), vec4<f32>(a.yw, b.yw));
}
#else
fn row(own: vec4<f32>, far: f32, inside: f32) -> Row {
    let left = select(subgroupShuffle(own.w, (lane + 7u) & 7u), far, lane == 0u);
    let right = select(subgroupShuffle(own.x, (lane + 1u) & 7u), far, lane == 7u);
#ifdef ZERO
    let c = own * inside;
    return Row(vec4<f32>(select(left * inside, 0.0, at_left), c.xyz), c, vec4<f32>(c.yzw, select(right * inside, 0.0, at_right)));
#else
    return Row(vec4<f32>(select(left, own.y, at_left), own.xyz), own, vec4<f32>(own.yzw, select(right, own.z, at_right)));
#endif
}
#endif

// Adds nine taps of one channel, whose weights are `first`, `second`, `last` of lane `from_lane`.
fn taps(sum: Sum, first: vec4<f32>, second: vec4<f32>, last: f32, from_lane: u32) -> Sum {
    let f = subgroupShuffle(first, from_lane);
    let s = subgroupShuffle(second, from_lane);
    let t = subgroupShuffle(last, from_lane);
    let a = sum.a + f.x * row0.l + f.y * row0.c + f.z * row0.r + f.w * row1.l + s.x * row1.c + s.y * row1.r + s.z * row2.l + s.w * row2.c + t * row2.r;
#ifdef STRIDE2
    let b = sum.b + f.x * row2.l + f.y * row2.c + f.z * row2.r + f.w * row3.l + s.x * row3.c + s.y * row3.r + s.z * row4.l + s.w * row4.c + t * row4.r;
#else
    let b = sum.b + f.x * row1.l + f.y * row1.c + f.z * row1.r + f.w * row2.l + s.x * row2.c + s.y * row2.r + s.z * row3.l + s.w * row3.c + t * row3.r;
#endif
    return Sum(a, b);
}

// Adds one input channel to all output channels of the block; `at` is this lane's place in the packed weights.
fn add_3x3(at: u32) {
    let w0 = weights[at];
    let w1 = weights[at + 8u];
    let w2 = weights[at + 16u];
    let w3 = weights[at + 24u];
    let w4 = weights[at + 32u];
    acc0 = taps(acc0, w0, w1, w4.x, 0u);
    acc1 = taps(acc1, w2, w3, w4.y, 0u);
    acc2 = taps(acc2, w0, w1, w4.x, 1u);
    acc3 = taps(acc3, w2, w3, w4.y, 1u);
    acc4 = taps(acc4, w0, w1, w4.x, 2u);
    acc5 = taps(acc5, w2, w3, w4.y, 2u);
    acc6 = taps(acc6, w0, w1, w4.x, 3u);
    acc7 = taps(acc7, w2, w3, w4.y, 3u);
    acc8 = taps(acc8, w0, w1, w4.x, 4u);
    acc9 = taps(acc9, w2, w3, w4.y, 4u);
    acc10 = taps(acc10, w0, w1, w4.x, 5u);
    acc11 = taps(acc11, w2, w3, w4.y, 5u);
    acc12 = taps(acc12, w0, w1, w4.x, 6u);
    acc13 = taps(acc13, w2, w3, w4.y, 6u);
    acc14 = taps(acc14, w0, w1, w4.x, 7u);
    acc15 = taps(acc15, w2, w3, w4.y, 7u);
}

#ifdef SEGMENT1_1X1
// Adds two input channels, (upper, lower) and (upper2, lower2), with weights first and second of lane `from_lane`.
fn point(sum: Sum, first: f32, second: f32, from_lane: u32) -> Sum {
    let f = subgroupShuffle(first, from_lane);
    let s = subgroupShuffle(second, from_lane);
    return Sum(sum.a + f * row0.c + s * row2.c, sum.b + f * row1.c + s * row3.c);
}

fn add_1x1(at: u32) {
    let w = weights[at];
    acc0 = point(acc0, w.x, w.z, 0u);
    acc1 = point(acc1, w.y, w.w, 0u);
    acc2 = point(acc2, w.x, w.z, 1u);
    acc3 = point(acc3, w.y, w.w, 1u);
    acc4 = point(acc4, w.x, w.z, 2u);
    acc5 = point(acc5, w.y, w.w, 2u);
    acc6 = point(acc6, w.x, w.z, 3u);
    acc7 = point(acc7, w.y, w.w, 3u);
    acc8 = point(acc8, w.x, w.z, 4u);
    acc9 = point(acc9, w.y, w.w, 4u);
    acc10 = point(acc10, w.x, w.z, 5u);
    acc11 = point(acc11, w.y, w.w, 5u);
    acc12 = point(acc12, w.x, w.z, 6u);
    acc13 = point(acc13, w.y, w.w, 6u);
    acc14 = point(acc14, w.x, w.z, 7u);
    acc15 = point(acc15, w.y, w.w, 7u);
}
#endif

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    lane = index;
    let group = unit_of(wg, groups);
    let block = group % p.oc_blocks;
    let slot = group / p.oc_blocks * 8u + lane;
    let unit = min(slot, p.units - 1u);
    let col = unit % p.cols;
    let pairs = (p.oh + 1u) / 2u;
    let y = unit / p.cols % pairs * 2u;
    let b = unit / (p.cols * pairs);
    at_left = col == 0u;
    at_right = col == p.cols - 1u && (p.ow & 3u) == 0u;

#ifdef ZERO
    let reflect = 0u;
#else
    let reflect = 1u;
#endif
    // Input rows; those that only a lower row past the end needs are clamped, and that row is not stored.
    let y_in = y * STRIDE;
    let y0 = source(i32(y_in) - 1, i32(p.h), reflect);
    let y2 = source(i32(y_in) + 1, i32(p.h), reflect);
    let y3 = source(i32(min(y_in + 2u, p.h)), i32(p.h), reflect);
    let inside0 = select(0.0, 1.0, y0 >= 0);
    let inside2 = select(0.0, 1.0, y2 >= 0);
    let inside3 = select(0.0, 1.0, y3 >= 0);
    // Offsets in a channel plane, in vec4.
    let col_in = col * STRIDE;
    let r0 = u32(max(y0, 0)) * p.in_cols + col_in;
    let r1 = y_in * p.in_cols + col_in;
    let r2 = u32(max(y2, 0)) * p.in_cols + col_in;
    let r3 = u32(max(y3, 0)) * p.in_cols + col_in;
    let plane = p.h * p.in_cols;
#ifdef STRIDE2
    let y4 = source(i32(min(y_in + 3u, p.h)), i32(p.h), reflect);
    let inside4 = select(0.0, 1.0, y4 >= 0);
    let r4 = u32(max(y4, 0)) * p.in_cols + col_in;
#endif
    // From the own vec4 to the far pixel, in elements (-1 wraps). At the outer ends of rows it is not used.
    let far_left = select(0xffffffffu, 0u, col == 0u);
    let far = select(select(4u, 0u, col == p.cols - 1u), far_left, lane == 0u);

    var at = block * (p.ic0 * 40u + SEGMENT1_WORDS) + lane;
    var base = b * p.ic0 * plane;
    for (var ic = 0u; ic < p.ic0; ic += 1u) {
#ifdef STRIDE2
        row0 = row(x0[base + r0], x0[base + r0 + 1u], x0_scalar[(base + r0) * 4u + far], inside0);
        row1 = row(x0[base + r1], x0[base + r1 + 1u], x0_scalar[(base + r1) * 4u + far], 1.0);
        row2 = row(x0[base + r2], x0[base + r2 + 1u], x0_scalar[(base + r2) * 4u + far], inside2);
        row3 = row(x0[base + r3], x0[base + r3 + 1u], x0_scalar[(base + r3) * 4u + far], inside3);
        row4 = row(x0[base + r4], x0[base + r4 + 1u], x0_scalar[(base + r4) * 4u + far], inside4);
#else
        row0 = row(x0[base + r0], x0_scalar[(base + r0) * 4u + far], inside0);
        row1 = row(x0[base + r1], x0_scalar[(base + r1) * 4u + far], 1.0);
        row2 = row(x0[base + r2], x0_scalar[(base + r2) * 4u + far], inside2);
        row3 = row(x0[base + r3], x0_scalar[(base + r3) * 4u + far], inside3);
#endif
        add_3x3(at);
        at += 40u;
        base += plane;
    }
#ifdef SEGMENT1_3X3
    base = b * p.ic1 * plane;
    for (var ic = 0u; ic < p.ic1; ic += 1u) {
        row0 = row(x1[base + r0], x1_scalar[(base + r0) * 4u + far], inside0);
        row1 = row(x1[base + r1], x1_scalar[(base + r1) * 4u + far], 1.0);
        row2 = row(x1[base + r2], x1_scalar[(base + r2) * 4u + far], inside2);
        row3 = row(x1[base + r3], x1_scalar[(base + r3) * 4u + far], inside3);
        add_3x3(at);
        at += 40u;
        base += plane;
    }
#endif
#ifdef SEGMENT1_1X1
    base = b * p.ic1 * plane;
    let lower = min(y + 1u, p.h - 1u) * p.in_cols + col;
    for (var ic = 0u; ic < p.ic1; ic += 2u) {
        // The second channel of an odd last pair meets weights of zero.
        let next = base + select(0u, plane, ic + 1u < p.ic1);
        row0.c = x1[base + r1];
        row1.c = x1[base + lower];
        row2.c = x1[next + r1];
        row3.c = x1[next + lower];
        add_1x1(at);
        at += 8u;
        base += 2u * plane;
    }
#endif

    if slot < p.units {
        let oc = block * 16u;
        let to = (b * p.oc * p.oh + y) * p.ow + col * 4u;
        store(oc, to, y, col, acc0);
        store(oc + 1u, to, y, col, acc1);
        store(oc + 2u, to, y, col, acc2);
        store(oc + 3u, to, y, col, acc3);
        store(oc + 4u, to, y, col, acc4);
        store(oc + 5u, to, y, col, acc5);
        store(oc + 6u, to, y, col, acc6);
        store(oc + 7u, to, y, col, acc7);
        store(oc + 8u, to, y, col, acc8);
        store(oc + 9u, to, y, col, acc9);
        store(oc + 10u, to, y, col, acc10);
        store(oc + 11u, to, y, col, acc11);
        store(oc + 12u, to, y, col, acc12);
        store(oc + 13u, to, y, col, acc13);
        store(oc + 14u, to, y, col, acc14);
        store(oc + 15u, to, y, col, acc15);
    }
}

// Stores both rows of one channel; `first` is the upper row's place in channel 0.
fn store(oc: u32, first: u32, y: u32, col: u32, sum: Sum) {
    if oc < p.oc {
        let to = first + oc * p.oh * p.ow;
        store_row(to, col, activate4(sum.a + bias[oc], p.act));
        if y + 1u < p.oh {
            store_row(to + p.ow, col, activate4(sum.b + bias[oc], p.act));
        }
    }
}

fn store_row(to: u32, col: u32, values: vec4<f32>) {
    for (var i = 0u; i < 4u; i += 1u) {
        if col * 4u + i < p.ow {
#ifdef RESIDUAL
            out[to + i] = values[i] + residual[to + i];
#else
            out[to + i] = values[i];
#endif
        }
    }
}
