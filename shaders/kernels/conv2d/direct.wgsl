// Convolution to few output channels (LaMa's 7x7 head): one pixel by four output channels per invocation. Neighbouring
// invocations read neighbouring pixels, so that the cache serves all taps.
#import unit
#import source
#import epilogue

struct Params {
    pixels: u32,    // N * OH * OW
    oc: u32,        // output channels
    oh: u32,        // output height, pixels
    ow: u32,        // output width, pixels
    stride: u32,    // pixels
    act: u32,       // Act::code
    oc_blocks: u32, // ceil(oc / 4)
    ic: u32,        // input channels
    h: u32,         // input height, pixels
    w: u32,         // input width, pixels
    k: u32,         // kernel side
    pad: u32,       // pixels
    reflect: u32,   // 1 for reflect, 0 for zero padding
}

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [oc_blocks][k * k][ic], lanes are output channels
@group(0) @binding(1) var<storage, read> bias: array<f32>; // [oc]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [N, OC, OH, OW]
@group(0) @binding(3) var<storage, read> x: array<f32>; // [N, ic, h, w]
#ifdef RESIDUAL
@group(0) @binding(RESIDUAL) var<storage, read> residual: array<f32>; // [N, OC, OH, OW]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, channels

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let oc_block = unit % p.oc_blocks;
    let pixel = unit / p.oc_blocks * 128u + lane;
    if pixel >= p.pixels {
        return;
    }
    let plane = p.oh * p.ow;
    let b = pixel / plane;
    let y = (pixel - b * plane) / p.ow;
    let xx = pixel - b * plane - y * p.ow;
    var acc = vec4<f32>(0.0);
    for (var ky = 0u; ky < p.k; ky += 1u) {
        let iy = source(i32(y * p.stride + ky) - i32(p.pad), i32(p.h), p.reflect);
        for (var kx = 0u; kx < p.k; kx += 1u) {
            let ix = source(i32(xx * p.stride + kx) - i32(p.pad), i32(p.w), p.reflect);
            if iy >= 0 && ix >= 0 {
                var source_at = b * p.ic * p.h * p.w + u32(iy) * p.w + u32(ix);
                var weight = ((oc_block * p.k + ky) * p.k + kx) * p.ic;
                for (var ic = 0u; ic < p.ic; ic += 1u) {
                    acc += weights[weight] * x[source_at];
                    weight += 1u;
                    source_at += p.h * p.w;
                }
            }
        }
    }
    for (var i = 0u; i < 4u; i += 1u) {
        let oc = oc_block * 4u + i;
        if oc < p.oc {
            let at = (b * p.oc + oc) * plane + pixel - b * plane;
            let value = activate(acc[i] + bias[oc], p.act);
#ifdef RESIDUAL
            out[at] = value + residual[at];
#else
            out[at] = value;
#endif
        }
    }
}
