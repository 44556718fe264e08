// Convolution as an implicit GEMM for any GPU: rows are output channels, columns are pixels of the whole batch, the inner
// dimension runs over segments, blocks of BK input channels, and kernel taps. Padding is applied in the gather.
#import unit
#import source
#import epilogue
#import gemm_tile

struct Params {
    pixels: u32,   // N * OH * OW
    oc: u32,       // output channels
    oh: u32,       // output height, pixels
    ow: u32,       // output width, pixels
    stride: u32,   // pixels
    act: u32,      // Act::code
    oc_tiles: u32, // ceil(oc / TM)
    oc_padded: u32, // row length of the packed weights
    blocks: u32,   // steps of BK over all segments
    ic0: u32,      // segment 0: input channels
    h0: u32,       // height, pixels
    w0: u32,       // width, pixels
    k0: u32,       // kernel side
    pad0: u32,     // pixels
    reflect0: u32, // 1 for reflect, 0 for zero padding
    ic1: u32,      // segment 1, as above
    h1: u32,
    w1: u32,
    k1: u32,
    pad1: u32,
    reflect1: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [blocks * BK][oc_padded / 4]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, OH, OW]
@group(0) @binding(3) var<storage, read> x0: array<f32>; // [N, ic0, h0, w0]
#ifdef SEGMENT1
@group(0) @binding(4) var<storage, read> x1: array<f32>; // [N, ic1, h1, w1]
#endif
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, OH, OW]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let oc_first = (unit % p.oc_tiles) * TM;
    let pixel_first = (unit / p.oc_tiles) * TN;
    let plane = p.oh * p.ow;

    // The pixel that this invocation gathers: fixed over the whole inner dimension.
    let column = lane % TN;
    let gather = min(pixel_first + column, p.pixels - 1u);
    let gb = gather / plane;
    let gy = (gather - gb * plane) / p.ow;
    let gx = gather - gb * plane - gy * p.ow;
    let ys = i32(gy * p.stride);
    let xs = i32(gx * p.stride);

    var segment = 0u;
    var ic = 0u;
    var ky = 0u;
    var kx = 0u;
    var channels = p.ic0;
    var side = p.k0;
    var h = p.h0;
    var w = p.w0;
    var pad = i32(p.pad0);
    var reflect = p.reflect0;
    for (var block = 0u; block < p.blocks; block += 1u) {
        for (var i = lane; i < WEIGHT_TILE; i += THREADS) {
            let row = i / (TM / 4u);
            weight_tile[i] = weights[(block * BK + row) * (p.oc_padded / 4u) + oc_first / 4u + i % (TM / 4u)];
        }
        let iy = source(ys + i32(ky) - pad, i32(h), reflect);
        let ix = source(xs + i32(kx) - pad, i32(w), reflect);
        let inside = iy >= 0 && ix >= 0;
        let at = gb * channels * h * w + u32(max(iy, 0)) * w + u32(max(ix, 0));
        for (var k = lane / TN; k < BK; k += THREADS / TN) {
            // Channels past the end meet weights of zero; clamping keeps their reads inside the tensor.
            let source_at = at + min(ic + k, channels - 1u) * h * w;
            var value = 0.0;
            if inside {
#ifdef SEGMENT1
                if segment == 0u {
                    value = x0[source_at];
                } else {
                    value = x1[source_at];
                }
#else
                value = x0[source_at];
#endif
            }
            pixel_tile[k * (TN / 4u) + column / 4u][column % 4u] = value;
        }
        workgroupBarrier();
        multiply_tile(lane % TX, lane / TX);
        workgroupBarrier();

        kx += 1u;
        if kx == side {
            kx = 0u;
            ky += 1u;
        }
        if ky == side {
            ky = 0u;
            ic += BK;
        }
#ifdef SEGMENT1
        if ic >= channels && segment == 0u {
            segment = 1u;
            ic = 0u;
            channels = p.ic1;
            side = p.k1;
            h = p.h1;
            w = p.w1;
            pad = i32(p.pad1);
            reflect = p.reflect1;
        }
#endif
    }

    let oc = oc_first + lane / TX * 4u;
    let pixel = pixel_first + lane % TX * 4u;
    store_row(oc, pixel, acc0);
    store_row(oc + 1u, pixel, acc1);
    store_row(oc + 2u, pixel, acc2);
    store_row(oc + 3u, pixel, acc3);
}

fn store_row(oc: u32, first: u32, sum: vec4<f32>) {
    if oc >= p.oc {
        return;
    }
    let plane = p.oh * p.ow;
    let values = activate4(sum + bias[oc], p.act);
    for (var i = 0u; i < 4u; i += 1u) {
        let pixel = first + i;
        if pixel < p.pixels {
            let b = pixel / plane;
            let at = (b * p.oc + oc) * plane + pixel - b * plane;
#ifdef RESIDUAL
            out[at] = values[i] + residual[at];
#else
            out[at] = values[i];
#endif
        }
    }
}
