// Fourier transform along one axis by its definition, one output value (both parts) per invocation: serves any length.
//
// MODE_ROWS: real rows to the first bins of their spectrum. MODE_COLUMNS: complex columns, either direction.
// MODE_REAL: half spectra back to real rows; imaginary parts of the DC and Nyquist bins are ignored.
#import unit

struct Params {
    count: u32, // output values
    h: u32,     // rows of a map
    w: u32,     // columns of the real map
    bins: u32,  // columns of the spectrum, w / 2 + 1
    inverse: u32, // 1 for exp(+i..), 0 for exp(-i..); MODE_COLUMNS only
    scale: f32, // factor of every output: one axis' share of the ortho norm
}

#ifdef MODE_ROWS
@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, h, w]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, 2 (re, im), h, bins]
#endif
#ifdef MODE_COLUMNS
@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, 2 (re, im), h, bins]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, 2 (re, im), h, bins]
#endif
#ifdef MODE_REAL
@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, 2 (re, im), h, bins]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, h, w]
#endif
@group(0) @binding(2) var<storage, read> circle: array<vec2<f32>>; // [n]: cos, sin of 2 pi t / n
#ifdef RESIDUAL
@group(0) @binding(3) var<storage, read> residual: array<f32>; // [planes, h, w]
@group(0) @binding(4) var<uniform> p: Params; // axis lengths
#else
@group(0) @binding(3) var<uniform> p: Params; // axis lengths
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i < p.count {
        transform(i);
    }
}

#ifdef MODE_ROWS
fn transform(i: u32) {
    let row = i / p.bins;
    let k = i - row * p.bins;
    var t = 0u;
    var sum = vec2<f32>(0.0);
    for (var j = 0u; j < p.w; j += 1u) {
        sum += x[row * p.w + j] * circle[t];
        t += k;
        t = select(t, t - p.w, t >= p.w);
    }
    let half = p.h * p.bins;
    let to = row / p.h * 2u * half + row % p.h * p.bins + k;
    out[to] = sum.x * p.scale;
    out[to + half] = -sum.y * p.scale;
}
#endif

#ifdef MODE_COLUMNS
fn transform(i: u32) {
    let half = p.h * p.bins;
    let plane = i / half;
    let k = (i - plane * half) / p.bins;
    let column = i - plane * half - k * p.bins;
    let base = plane * 2u * half + column;
    let sign = select(-1.0, 1.0, p.inverse != 0u);
    var t = 0u;
    var sum = vec2<f32>(0.0);
    for (var j = 0u; j < p.h; j += 1u) {
        let re = x[base + j * p.bins];
        let im = x[base + j * p.bins + half];
        let c = circle[t].x;
        let s = circle[t].y * sign;
        sum += vec2<f32>(re * c - im * s, re * s + im * c);
        t += k;
        t = select(t, t - p.h, t >= p.h);
    }
    out[base + k * p.bins] = sum.x * p.scale;
    out[base + k * p.bins + half] = sum.y * p.scale;
}
#endif

#ifdef MODE_REAL
fn transform(i: u32) {
    let row = i / p.w;
    let k = i - row * p.w;
    let half = p.h * p.bins;
    let base = row / p.h * 2u * half + row % p.h * p.bins;
    // Bins between DC and Nyquist stand for themselves and their mirror images: twice the real part of each product.
    var sum = x[base];
    var t = k;
    for (var l = 1u; l < p.bins; l += 1u) {
        let product = x[base + l] * circle[t].x - x[base + l + half] * circle[t].y;
        let nyquist = select(2.0 * product, x[base + l] * circle[t].x, 2u * l == p.w);
        sum += nyquist;
        t += k;
        t = select(t, t - p.w, t >= p.w);
    }
#ifdef RESIDUAL
    out[i] = sum * p.scale + residual[i];
#else
    out[i] = sum * p.scale;
#endif
}
#endif
