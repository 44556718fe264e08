// One pass of a 2-D transform, several lines per workgroup, in workgroup memory.
//
// MODE_ROWS: real rows to the first bins of their spectrum, two rows as one complex line. MODE_COLUMNS: complex columns,
// either direction; neighbouring columns share a workgroup, so that reads are contiguous. MODE_REAL: half spectra back to
// real rows, two at once; imaginary parts of the DC and Nyquist bins are ignored.
#import unit
#import stockham

struct Params {
    lines: u32,   // complex lines of all maps
    h: u32,       // rows of a map
    w: u32,       // columns of the real map
    bins: u32,    // columns of the spectrum, w / 2 + 1
    inverse: u32, // 1 for exp(+i..), 0 for exp(-i..); MODE_COLUMNS only
    scale: f32,   // factor of every output: one axis' share of the ortho norm
    share: u32,   // lines per workgroup
    stages: u32,  // radices
    rows: u32,    // planes * h
    unused0: u32,
    unused1: u32,
    unused2: u32,
    radices: array<vec4<u32>, 2>,
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

fn turn(axis: u32, t: u32) -> vec2<f32> {
    return circle[t];
}

fn radix_of(axis: u32, stage: u32) -> u32 {
    return p.radices[stage / 4u][stage % 4u];
}

// First element of a row of a spectrum's real part.
fn spectrum_row(row: u32) -> u32 {
    return row / p.h * 2u * p.h * p.bins + row % p.h * p.bins;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Lines past the end repeat the last one and are not stored.
    let first = unit_of(wg, groups) * p.share;
    let half = p.h * p.bins;
#ifdef MODE_COLUMNS
    let lines = Lines(0u, p.share, p.h, p.stages, true, select(-1.0, 1.0, p.inverse != 0u));
    for (var t = lane; t < p.share * p.h; t += THREADS) {
        let y = t / p.share;
        let line = min(first + t - y * p.share, p.lines - 1u);
        let at = line / p.bins * 2u * half + line % p.bins + y * p.bins;
        points[t] = vec2<f32>(x[at], x[at + half]);
    }
    workgroupBarrier();
    let src = transform_lines(lines, 0u, lane);
    for (var t = lane; t < p.share * p.h; t += THREADS) {
        let y = t / p.share;
        let line = first + t - y * p.share;
        if line < p.lines {
            let to = line / p.bins * 2u * half + line % p.bins + y * p.bins;
            let value = points[src + t] * p.scale;
            out[to] = value.x;
            out[to + half] = value.y;
        }
    }
#endif
#ifdef MODE_ROWS
    let lines = Lines(0u, p.share, p.w, p.stages, false, -1.0);
    for (var t = lane; t < p.share * p.w; t += THREADS) {
        let line = t / p.w;
        let upper = min(2u * (first + line), p.rows - 1u);
        let lower = min(upper + 1u, p.rows - 1u);
        let i = t - line * p.w;
        points[t] = vec2<f32>(x[upper * p.w + i], x[lower * p.w + i]);
    }
    workgroupBarrier();
    let src = transform_lines(lines, 0u, lane);
    for (var t = lane; t < p.share * p.bins; t += THREADS) {
        let line = t / p.bins;
        let k = t - line * p.bins;
        let at = src + line * p.w;
        let two = split_pair(points[at + k], points[at + select(p.w - k, 0u, k == 0u)]);
        let upper = 2u * (first + line);
        if upper < p.rows {
            let to = spectrum_row(upper) + k;
            out[to] = two.a.x * p.scale;
            out[to + half] = two.a.y * p.scale;
        }
        if upper + 1u < p.rows {
            let to = spectrum_row(upper + 1u) + k;
            out[to] = two.b.x * p.scale;
            out[to + half] = two.b.y * p.scale;
        }
    }
#endif
#ifdef MODE_REAL
    let lines = Lines(0u, p.share, p.w, p.stages, false, 1.0);
    for (var t = lane; t < p.share * p.w; t += THREADS) {
        let line = t / p.w;
        let i = t - line * p.w;
        let k = min(i, p.w - i);
        let a = spectrum_row(min(2u * (first + line), p.rows - 1u)) + k;
        let b = spectrum_row(min(2u * (first + line) + 1u, p.rows - 1u)) + k;
        points[t] = join_pair(vec2<f32>(x[a], x[a + half]), vec2<f32>(x[b], x[b + half]), i, p.w);
    }
    workgroupBarrier();
    let src = transform_lines(lines, 0u, lane);
    for (var t = lane; t < p.share * p.w; t += THREADS) {
        let line = t / p.w;
        let upper = 2u * (first + line);
        let value = points[src + t] * p.scale;
        let to = upper * p.w + t - line * p.w;
        if upper < p.rows {
            store(to, value.x);
        }
        if upper + 1u < p.rows {
            store(to + p.w, value.y);
        }
    }
#endif
}

#ifdef MODE_REAL
fn store(to: u32, value: f32) {
#ifdef RESIDUAL
    out[to] = value + residual[to];
#else
    out[to] = value;
#endif
}
#endif
