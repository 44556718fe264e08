// Transposed 3x3 convolution of stride 2 as four implicit GEMMs, one per parity (phase) of the output pixel: rows are output
// channels, columns are input pixels of the whole batch, the inner dimension runs over segments, blocks of BK input
// channels, and the 1, 2, 2 or 4 taps of the phase. Tap d of an odd coordinate reads the input d further on.
#import unit
#import epilogue
#import gemm_tile

struct Params {
    pixels: u32,    // N * H * W
    oc: u32,        // output channels
    h: u32,         // input height, pixels
    w: u32,         // input width, pixels
    act: u32,       // Act::code
    oc_tiles: u32,  // ceil(oc / TM)
    oc_padded: u32, // row length of the packed weights
    steps: u32,     // blocks of BK channels over all segments
    tiles: u32,     // oc_tiles * ceil(pixels / TN)
    ic0: u32,       // input channels of segment 0
    ic1: u32,       // input channels of segment 1
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [phase][steps][taps][BK][oc_padded / 4]
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, 2H, 2W]
@group(0) @binding(3) var<storage, read> x0: array<f32>; // [N, ic0, H, W]
#ifdef SEGMENT1
@group(0) @binding(4) var<storage, read> x1: array<f32>; // [N, ic1, H, W]
#endif
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, 2H, 2W]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    // The phase with most taps first: the longest work starts first.
    let phase = 3u - min(unit / p.tiles, 3u);
    let py = phase / 2u;
    let px = phase % 2u;
    let tile = unit % p.tiles;
    let oc_first = (tile % p.oc_tiles) * TM;
    let pixel_first = (tile / p.oc_tiles) * TN;
    let plane = p.h * p.w;
    // Phases hold 1, 2, 2 and 4 taps per step, in this order.
    let first_block = p.steps * select(2u * phase - 1u, 0u, phase == 0u);
    let blocks = p.steps * (1u + py) * (1u + px);

    let column = lane % TN;
    let gather = min(pixel_first + column, p.pixels - 1u);
    let gb = gather / plane;
    let gy = (gather - gb * plane) / p.w;
    let gx = gather - gb * plane - gy * p.w;

    var segment = 0u;
    var channels = p.ic0;
    var ic = 0u;
    var dy = 0u;
    var dx = 0u;
    for (var block = 0u; block < blocks; block += 1u) {
        for (var i = lane; i < WEIGHT_TILE; i += THREADS) {
            let row = i / (TM / 4u);
            weight_tile[i] = weights[((first_block + block) * BK + row) * (p.oc_padded / 4u) + oc_first / 4u + i % (TM / 4u)];
        }
        let inside = gy + dy < p.h && gx + dx < p.w;
        let at = gb * channels * plane + (gy + dy) * p.w + gx + dx;
        for (var k = lane / TN; k < BK; k += THREADS / TN) {
            // Channels past the end meet weights of zero; clamping keeps their reads inside the tensor.
            let source_at = at + min(ic + k, channels - 1u) * plane;
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

        dx += 1u;
        if dx > px {
            dx = 0u;
            dy += 1u;
        }
        if dy > py {
            dy = 0u;
            ic += BK;
        }
        if ic >= channels && segment == 0u {
            segment = 1u;
            ic = 0u;
            channels = p.ic1;
        }
    }

    let oc = oc_first + lane / TX * 4u;
    let pixel = pixel_first + lane % TX * 4u;
    store_row(oc, pixel, py, px, acc0);
    store_row(oc + 1u, pixel, py, px, acc1);
    store_row(oc + 2u, pixel, py, px, acc2);
    store_row(oc + 3u, pixel, py, px, acc3);
}

fn store_row(oc: u32, first: u32, py: u32, px: u32, sum: vec4<f32>) {
    if oc >= p.oc {
        return;
    }
    let plane = p.h * p.w;
    let values = activate4(sum + bias[oc], p.act);
    for (var i = 0u; i < 4u; i += 1u) {
        let pixel = first + i;
        if pixel < p.pixels {
            let b = pixel / plane;
            let y = (pixel - b * plane) / p.w;
            let x = pixel - b * plane - y * p.w;
            let at = (((b * p.oc + oc) * p.h + y) * 2u + py) * 2u * p.w + 2u * x + px;
#ifdef RESIDUAL
            out[at] = values[i] + residual[at];
#else
            out[at] = values[i];
#endif
        }
    }
}
