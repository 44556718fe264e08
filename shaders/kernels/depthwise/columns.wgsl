// Depthwise 3x3, channels last. An invocation owns one ELEMENT of channels (one, or four) and four output pixels of a row, so
// that weights and neighbouring columns are read once.
#import unit
#import epilogue

struct Params {
    count: u32, // invocations: N * oh * cols * c
    c: u32,     // ELEMENTs of a pixel
    h: u32,     // input height, pixels
    w: u32,     // input width, pixels
    oh: u32,    // output height, pixels
    ow: u32,    // output width, pixels
    cols: u32,  // ceil(ow / 4)
    act: u32,   // Act::code
}

@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [N, h, w, c]
@group(0) @binding(1) var<storage, read> weights: array<ELEMENT>; // [9 taps, then the bias][c]
@group(0) @binding(2) var<storage, read_write> out: array<ELEMENT>; // [N, oh, ow, c]
#ifdef RESIDUAL
@group(0) @binding(3) var<storage, read> residual: array<ELEMENT>; // [N, oh, ow, c]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, elements

// Input pixel `i` of the row that starts at `row`, counted from 1; zero outside.
fn pixel(row: u32, i: u32, c: u32) -> ELEMENT {
    if i == 0u || i > p.w {
        return ELEMENT();
    }
    return x[(row + i - 1u) * p.c + c];
}

fn store(row: u32, ox: u32, c: u32, sum: ELEMENT) {
    if ox < p.ow {
        let at = (row + ox) * p.c + c;
        let value = ACTIVATE(sum, p.act);
#ifdef RESIDUAL
        out[at] = value + residual[at];
#else
        out[at] = value;
#endif
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i >= p.count {
        return;
    }
    let c = i % p.c;
    let ox = i / p.c % p.cols * 4u;
    let out_row = i / (p.c * p.cols); // of the batch
    let oy = out_row % p.oh;
    let b = out_row / p.oh;
    let first = ox * STRIDE;
    let bias = weights[9u * p.c + c];
    var acc0 = bias;
    var acc1 = bias;
    var acc2 = bias;
    var acc3 = bias;
    for (var ky = 0u; ky < 3u; ky += 1u) {
        let y = oy * STRIDE + ky; // counted from 1
        if y == 0u || y > p.h {
            continue;
        }
        let row = (b * p.h + y - 1u) * p.w;
        let w0 = weights[ky * 3u * p.c + c];
        let w1 = weights[(ky * 3u + 1u) * p.c + c];
        let w2 = weights[(ky * 3u + 2u) * p.c + c];
        let x0 = pixel(row, first, c);
        let x1 = pixel(row, first + 1u, c);
        let x2 = pixel(row, first + 2u, c);
        let x3 = pixel(row, first + 3u, c);
        let x4 = pixel(row, first + 4u, c);
        let x5 = pixel(row, first + 5u, c);
#ifdef STRIDE2
        let x6 = pixel(row, first + 6u, c);
        let x7 = pixel(row, first + 7u, c);
        let x8 = pixel(row, first + 8u, c);
        acc0 += w0 * x0 + w1 * x1 + w2 * x2;
        acc1 += w0 * x2 + w1 * x3 + w2 * x4;
        acc2 += w0 * x4 + w1 * x5 + w2 * x6;
        acc3 += w0 * x6 + w1 * x7 + w2 * x8;
#else
        acc0 += w0 * x0 + w1 * x1 + w2 * x2;
        acc1 += w0 * x1 + w1 * x2 + w2 * x3;
        acc2 += w0 * x2 + w1 * x3 + w2 * x4;
        acc3 += w0 * x3 + w1 * x4 + w2 * x5;
#endif
    }
    let to = out_row * p.ow;
    store(to, ox, c, acc0);
    store(to, ox + 1u, c, acc1);
    store(to, ox + 2u, c, acc2);
    store(to, ox + 3u, c, acc3);
}
