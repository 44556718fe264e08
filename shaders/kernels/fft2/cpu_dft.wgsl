// Fourier transform along one axis for software rasterisers: a matrix product that uses the symmetry of sine and cosine, so
// that it needs a quarter of the full matrix. Sums over j = 0..n/2 of even parts times cosines and of odd parts times sines
// give bins k and n - k at once, for k = 0..n/2. Any length; no workgroup memory.
//
// An invocation owns four lines and 17 k: all of a line of 32, half of those of 64. The lanes load cosines and sines of one
// k each, and every lane gets them by shuffles from constant lanes.
//
// MODE_ROWS: real rows to the first bins of their spectrum. MODE_COLUMNS: complex columns, either direction.
// MODE_REAL: half spectra back to real rows; imaginary parts of the DC and Nyquist bins meet sines of zero.
#import unit

struct Params {
    lines: u32,     // MODE_COLUMNS: planes * bins, otherwise planes * h
    h: u32,         // rows of a map
    w: u32,         // columns of the real map
    bins: u32,      // columns of the spectrum, w / 2 + 1
    inverse: u32,   // 1 for exp(+i..), 0 for exp(-i..); MODE_COLUMNS only
    scale: f32,     // factor of every output: one axis' share of the ortho norm
    blocks: u32,    // ceil((n / 2 + 1) / 17), n the length of the axis
    pairs: u32,     // ceil((n / 2 + 1) / 2): steps of two j
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
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>; // [blocks][pairs][24 k, 17 used]: cos, sin at j, cos, sin at j + 1
#ifdef RESIDUAL
@group(0) @binding(3) var<storage, read> residual: array<f32>; // [planes, h, w]
@group(0) @binding(4) var<uniform> p: Params; // axis lengths
#else
@group(0) @binding(3) var<uniform> p: Params; // axis lengths
#endif

// Sums for one k over four lines. MODE_ROWS and MODE_REAL use the first two.
struct Sum {
    cos_re: vec4<f32>, // cosines times even parts (of the real parts)
    sin_im: vec4<f32>, // sines times odd parts (of the imaginary parts)
#ifdef MODE_COLUMNS
    cos_im: vec4<f32>,
    sin_re: vec4<f32>,
#endif
}

// Even and odd parts of the four lines at one j.
struct Term {
    even: vec4<f32>,
    odd: vec4<f32>,
#ifdef MODE_COLUMNS
    even_im: vec4<f32>,
    odd_im: vec4<f32>,
#endif
}

var<private> start: vec4<u32>; // first element of each line
var<private> t0: Term;
var<private> t1: Term;

fn load(at: u32) -> vec4<f32> {
    return vec4<f32>(x[start.x + at], x[start.y + at], x[start.z + at], x[start.w + at]);
}

// The parts at j; past the middle of the line they meet zeros of the table.
fn term(j_wanted: u32) -> Term {
#ifdef MODE_REAL
    let j = min(j_wanted, p.bins - 1u);
    // Bins between DC and Nyquist stand for their mirror images too.
    let weight = select(2.0, 1.0, j == 0u || 2u * j == p.w);
    return Term(load(j) * weight, load(j + p.h * p.bins) * weight);
#endif
#ifdef MODE_ROWS
    let j = min(j_wanted, p.w / 2u);
    let alone = j == 0u || 2u * j == p.w;
    let a = load(j);
    let b = load(select(p.w - j, j, alone));
    return Term(select(a + b, a, alone), a - b);
#endif
#ifdef MODE_COLUMNS
    let j = min(j_wanted, p.h / 2u);
    let alone = j == 0u || 2u * j == p.h;
    let mirror = select(p.h - j, j, alone);
    let half = p.h * p.bins;
    let a = load(j * p.bins);
    let b = load(mirror * p.bins);
    let ai = load(j * p.bins + half);
    let bi = load(mirror * p.bins + half);
    return Term(select(a + b, a, alone), a - b, select(ai + bi, ai, alone), ai - bi);
#endif
}

// Adds j and j + 1 for the k whose table entry `w` lane `from_lane` holds.
fn add(sum: Sum, w: vec4<f32>, from_lane: u32) -> Sum {
    let c = subgroupShuffle(w, from_lane);
#ifdef MODE_COLUMNS
    return Sum(
        sum.cos_re + c.x * t0.even + c.z * t1.even,
        sum.sin_im + c.y * t0.odd_im + c.w * t1.odd_im,
        sum.cos_im + c.x * t0.even_im + c.z * t1.even_im,
        sum.sin_re + c.y * t0.odd + c.w * t1.odd,
    );
#else
    return Sum(sum.cos_re + c.x * t0.even + c.z * t1.even, sum.sin_im + c.y * t0.odd + c.w * t1.odd);
#endif
}

// Offset of a line's first element in `x`.
fn line_start(line: u32) -> u32 {
    let at = min(line, p.lines - 1u);
    let half = p.h * p.bins;
#ifdef MODE_ROWS
    return at * p.w;
#endif
#ifdef MODE_COLUMNS
    return at / p.bins * 2u * half + at % p.bins;
#endif
#ifdef MODE_REAL
    return at / p.h * 2u * half + at % p.h * p.bins;
#endif
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = unit_of(wg, groups);
    let block = group % p.blocks;
    let line = (group / p.blocks * 8u + lane) * 4u;
    start = vec4<u32>(line_start(line), line_start(line + 1u), line_start(line + 2u), line_start(line + 3u));
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
    var at = block * p.pairs * 24u + lane;
    for (var pair = 0u; pair < p.pairs; pair += 1u) {
        t0 = term(2u * pair);
        t1 = term(2u * pair + 1u);
        let w0 = table[at];
        let w1 = table[at + 8u];
        let w2 = table[at + 16u];
        acc0 = add(acc0, w0, 0u);
        acc1 = add(acc1, w0, 1u);
        acc2 = add(acc2, w0, 2u);
        acc3 = add(acc3, w0, 3u);
        acc4 = add(acc4, w0, 4u);
        acc5 = add(acc5, w0, 5u);
        acc6 = add(acc6, w0, 6u);
        acc7 = add(acc7, w0, 7u);
        acc8 = add(acc8, w1, 0u);
        acc9 = add(acc9, w1, 1u);
        acc10 = add(acc10, w1, 2u);
        acc11 = add(acc11, w1, 3u);
        acc12 = add(acc12, w1, 4u);
        acc13 = add(acc13, w1, 5u);
        acc14 = add(acc14, w1, 6u);
        acc15 = add(acc15, w1, 7u);
        acc16 = add(acc16, w2, 0u);
        at += 24u;
    }
    let k = block * 17u;
    store(line, k, acc0);
    store(line, k + 1u, acc1);
    store(line, k + 2u, acc2);
    store(line, k + 3u, acc3);
    store(line, k + 4u, acc4);
    store(line, k + 5u, acc5);
    store(line, k + 6u, acc6);
    store(line, k + 7u, acc7);
    store(line, k + 8u, acc8);
    store(line, k + 9u, acc9);
    store(line, k + 10u, acc10);
    store(line, k + 11u, acc11);
    store(line, k + 12u, acc12);
    store(line, k + 13u, acc13);
    store(line, k + 14u, acc14);
    store(line, k + 15u, acc15);
    store(line, k + 16u, acc16);
}

fn store(line: u32, k: u32, sum: Sum) {
    for (var i = 0u; i < 4u; i += 1u) {
        if line + i < p.lines {
            store_line(line + i, k, i, sum);
        }
    }
}

#ifdef MODE_ROWS
fn store_line(line: u32, k: u32, i: u32, sum: Sum) {
    if k < p.bins {
        let half = p.h * p.bins;
        let to = line / p.h * 2u * half + line % p.h * p.bins + k;
        out[to] = sum.cos_re[i] * p.scale;
        out[to + half] = -sum.sin_im[i] * p.scale;
    }
}
#endif

#ifdef MODE_COLUMNS
fn store_line(line: u32, k: u32, i: u32, sum: Sum) {
    if 2u * k > p.h {
        return;
    }
    let half = p.h * p.bins;
    let to = start[i];
    let sign = select(p.scale, -p.scale, p.inverse != 0u);
    let re = sum.cos_re[i] * p.scale;
    let im = sum.cos_im[i] * p.scale;
    let turn_re = sum.sin_im[i] * sign;
    let turn_im = sum.sin_re[i] * sign;
    out[to + k * p.bins] = re + turn_re;
    out[to + k * p.bins + half] = im - turn_im;
    // k = 0 and k = h / 2 are their own mirror images.
    if k > 0u && 2u * k < p.h {
        let mirror = (p.h - k) * p.bins;
        out[to + mirror] = re - turn_re;
        out[to + mirror + half] = im + turn_im;
    }
}
#endif

#ifdef MODE_REAL
fn store_line(line: u32, k: u32, i: u32, sum: Sum) {
    if 2u * k > p.w {
        return;
    }
    store_value(line * p.w + k, (sum.cos_re[i] - sum.sin_im[i]) * p.scale);
    if k > 0u && 2u * k < p.w {
        store_value(line * p.w + p.w - k, (sum.cos_re[i] + sum.sin_im[i]) * p.scale);
    }
}

fn store_value(to: u32, value: f32) {
#ifdef RESIDUAL
    out[to] = value + residual[to];
#else
    out[to] = value;
#endif
}
#endif
