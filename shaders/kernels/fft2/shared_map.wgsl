// Both passes of a 2-D transform, one whole map per workgroup, in workgroup memory.
//
// MODE_FORWARD: real map to half spectrum. Otherwise the inverse; imaginary parts of the DC and Nyquist columns are ignored.
#import unit
#import stockham

struct Params {
    planes: u32,        // maps
    h: u32,             // rows of a map
    w: u32,             // columns of the real map
    bins: u32,          // columns of the spectrum, w / 2 + 1
    scale: f32,         // 1 / sqrt(h w)
    row_stages: u32,    // radices along a row
    column_stages: u32, // radices along a column
    unused: u32,
    radices: array<vec4<u32>, 4>, // eight for rows, eight for columns
}

#ifdef MODE_FORWARD
@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, h, w]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, 2 (re, im), h, bins]
#else
@group(0) @binding(0) var<storage, read> x: array<f32>; // [planes, 2 (re, im), h, bins]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [planes, h, w]
#endif
@group(0) @binding(2) var<storage, read> row_circle: array<vec2<f32>>; // [w]: cos, sin of 2 pi t / w
@group(0) @binding(3) var<storage, read> column_circle: array<vec2<f32>>; // [h]: cos, sin of 2 pi t / h
#ifdef RESIDUAL
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [planes, h, w]
@group(0) @binding(5) var<uniform> p: Params; // axis lengths
#else
@group(0) @binding(4) var<uniform> p: Params; // axis lengths
#endif

fn turn(axis: u32, t: u32) -> vec2<f32> {
    if axis == 0u {
        return row_circle[t];
    }
    return column_circle[t];
}

fn radix_of(axis: u32, stage: u32) -> u32 {
    return p.radices[axis * 2u + stage / 4u][stage % 4u];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Units past the end repeat the last map, so that all invocations reach every barrier; they write the same values.
    let plane = min(unit_of(wg, groups), p.planes - 1u);
    let pairs = (p.h + 1u) / 2u;
    let half = p.h * p.bins;
    let rows = Lines(0u, pairs, p.w, p.row_stages, false, SIGN);
    let columns = Lines(1u, p.bins, p.h, p.column_stages, true, SIGN);
#ifdef MODE_FORWARD
    let base = plane * p.h * p.w;
    for (var t = lane; t < pairs * p.w; t += THREADS) {
        let pair = t / p.w;
        let upper = base + t + pair * p.w;
        let lower = select(0.0, x[min(upper + p.w, base + p.h * p.w - 1u)], 2u * pair + 1u < p.h);
        points[t] = vec2<f32>(x[upper], lower);
    }
    workgroupBarrier();
    var src = transform_lines(rows, 0u, lane);
    for (var t = lane; t < pairs * p.bins; t += THREADS) {
        let pair = t / p.bins;
        let k = t - pair * p.bins;
        let line = src + pair * p.w;
        let two = split_pair(points[line + k], points[line + select(p.w - k, 0u, k == 0u)]);
        let to = POINTS - src + 2u * pair * p.bins + k;
        points[to] = two.a;
        if 2u * pair + 1u < p.h {
            points[to + p.bins] = two.b;
        }
    }
    workgroupBarrier();
    src = transform_lines(columns, POINTS - src, lane);
    for (var t = lane; t < half; t += THREADS) {
        let value = points[src + t] * p.scale;
        out[plane * 2u * half + t] = value.x;
        out[plane * 2u * half + half + t] = value.y;
    }
#else
    for (var t = lane; t < half; t += THREADS) {
        points[t] = vec2<f32>(x[plane * 2u * half + t], x[plane * 2u * half + half + t]);
    }
    workgroupBarrier();
    var src = transform_lines(columns, 0u, lane);
    for (var t = lane; t < pairs * p.w; t += THREADS) {
        let pair = t / p.w;
        let i = t - pair * p.w;
        let k = min(i, p.w - i);
        let a = points[src + 2u * pair * p.bins + k];
        let b = points[src + min(2u * pair + 1u, p.h - 1u) * p.bins + k];
        points[POINTS - src + t] = join_pair(a, b, i, p.w);
    }
    workgroupBarrier();
    src = transform_lines(rows, POINTS - src, lane);
    for (var t = lane; t < pairs * p.w; t += THREADS) {
        let pair = t / p.w;
        let to = plane * p.h * p.w + t + pair * p.w;
        let value = points[src + t] * p.scale;
        store(to, value.x);
        if 2u * pair + 1u < p.h {
            store(to + p.w, value.y);
        }
    }
#endif
}

#ifndef MODE_FORWARD
fn store(to: u32, value: f32) {
#ifdef RESIDUAL
    out[to] = value + residual[to];
#else
    out[to] = value;
#endif
}
#endif
