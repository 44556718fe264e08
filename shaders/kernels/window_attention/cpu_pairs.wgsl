// Window attention for software rasterisers: an invocation owns two queries of a window and head, in registers, and runs over
// the keys two by two. Lane l loads four channels of a key or value, and every lane gets them by a shuffle from a constant lane.
#import unit
#import window

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [N, h, w, 3 * heads * dim4]
@group(0) @binding(1) var<storage, read> pad: array<vec4<f32>>; // [3 * heads * dim4]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [N, h, w, heads * dim4]
#ifdef DISTANCE
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [heads, side_y, side_x] by distance along y and x
#endif
#ifdef DECOMPOSED
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [N * heads][along y, along x][side of a window][h * w], scores
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, vec4s

// The own queries, scaled, and the sums of values so far: four channels each.
var<private> query_a: array<vec4<f32>, DIM4>;
var<private> query_b: array<vec4<f32>, DIM4>;
var<private> sums_a: array<vec4<f32>, DIM4>;
var<private> sums_b: array<vec4<f32>, DIM4>;

// Products of both queries with both keys of a pair, by channel modulo four.
struct Scores {
    a0: vec4<f32>,
    a1: vec4<f32>,
    b0: vec4<f32>,
    b1: vec4<f32>,
}
var<private> scores: Scores;

// Weights of a pair of keys for one query, and what the sums so far are multiplied with.
struct Weights {
    keep: f32,
    w0: f32,
    w1: f32,
}

// A query of the window.
struct Own {
    y: u32,     // in the window, pixels
    x: u32,     // in the window, pixels
    pixel: u32, // in the sample's map, clamped to it
    real: bool, // whether it lies in the map
}

fn own_query(number: u32, y0: u32, x0: u32) -> Own {
    let y = number / p.side_x;
    let x = number - y * p.side_x;
    let real = y < p.side_y && y0 + y < p.h && x0 + x < p.w;
    return Own(y, x, min(y0 + y, p.h - 1u) * p.w + min(x0 + x, p.w - 1u), real);
}

// Multiplies four channels of both keys, which lane `lane` holds, with the queries' channels at `i`.
fn multiply(k0: vec4<f32>, k1: vec4<f32>, lane: u32, i: u32) {
    let c0 = subgroupShuffle(k0, lane);
    let c1 = subgroupShuffle(k1, lane);
    scores.a0 += query_a[i] * c0;
    scores.a1 += query_a[i] * c1;
    scores.b0 += query_b[i] * c0;
    scores.b1 += query_b[i] * c1;
}

// Adds four channels of both values, which lane `lane` holds, to the sums' channels at `i`.
fn collect(v0: vec4<f32>, v1: vec4<f32>, a: Weights, b: Weights, lane: u32, i: u32) {
    let c0 = subgroupShuffle(v0, lane);
    let c1 = subgroupShuffle(v1, lane);
    sums_a[i] = sums_a[i] * a.keep + c0 * a.w0 + c1 * a.w1;
    sums_b[i] = sums_b[i] * b.keep + c0 * b.w0 + c1 * b.w1;
}

fn horizontal(v: vec4<f32>) -> f32 {
    return v.x + v.y + v.z + v.w;
}

// What is added to the score of a query and the key at (ky, kx) of the window. `first` is the head's first bias.
fn bias_of(q: Own, ky: u32, kx: u32, first: u32) -> f32 {
#ifdef DISTANCE
    return bias[first + min(apart(q.y, ky), p.side_y - 1u) * p.side_x + apart(q.x, kx)];
#else
#ifdef DECOMPOSED
    let plane = p.h * p.w;
    return bias[first + ky * plane + q.pixel] + bias[first + (p.side_y + kx) * plane + q.pixel];
#else
    return 0.0;
#endif
#endif
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    if unit >= p.units {
        return;
    }
    let block = unit % p.blocks;
    let head = unit / p.blocks % p.heads;
    let window = unit / (p.blocks * p.heads);
    let x0 = window % p.across * p.side_x;
    let y0 = window / p.across % p.down * p.side_y;
    let sample = window / (p.across * p.down);
    let a = own_query(block * 16u + lane, y0, x0);
    let b = own_query(block * 16u + 8u + lane, y0, x0);
    let map = sample * p.h * p.w;
    let pixel_step = 3u * p.heads * p.dim4;
    let at_a = (map + a.pixel) * pixel_step + head * p.head_step;
    let at_b = (map + b.pixel) * pixel_step + head * p.head_step;
    load(0u, at_a, at_b);
    load(1u, at_a, at_b);
    load(2u, at_a, at_b);
    load(3u, at_a, at_b);
    load(4u, at_a, at_b);
    load(5u, at_a, at_b);
    load(6u, at_a, at_b);
    load(7u, at_a, at_b);
#ifdef WIDE
    load(8u, at_a, at_b);
    load(9u, at_a, at_b);
    load(10u, at_a, at_b);
    load(11u, at_a, at_b);
    load(12u, at_a, at_b);
    load(13u, at_a, at_b);
    load(14u, at_a, at_b);
    load(15u, at_a, at_b);
#endif
#ifdef DISTANCE
    let first = head * p.side_y * p.side_x;
#else
    let first = (sample * p.heads + head) * (p.side_y + p.side_x) * p.h * p.w;
#endif
    let keys = p.side_y * p.side_x;
    // Lanes past the head's end read its last channels, which meet queries of zero and sums that are not stored.
    let column0 = p.part_step + min(lane, p.dim4 - 1u);
#ifdef WIDE
    let column1 = p.part_step + min(lane + 8u, p.dim4 - 1u);
#endif
    var top_a = -3e38;
    var top_b = -3e38;
    var total_a = 0.0;
    var total_b = 0.0;
    var ky = 0u;
    var kx = 0u;
    for (var key = 0u; key < keys; key += 2u) {
        let ky0 = ky;
        let kx0 = kx;
        kx += 1u;
        if kx == p.side_x {
            kx = 0u;
            ky += 1u;
        }
        // The second key of an odd last pair gets a weight of zero.
        let both = key + 1u < keys;
        let ky1 = select(ky0, ky, both);
        let kx1 = select(kx0, kx, both);
        let place0 = place(sample, y0 + ky0, x0 + kx0, head);
        let place1 = place(sample, y0 + ky1, x0 + kx1, head);
        scores = Scores();
        multiply_all(channels(place0, column0), channels(place1, column0), 0u);
#ifdef WIDE
        multiply_all(channels(place0, column1), channels(place1, column1), 8u);
#endif
        let a0 = horizontal(scores.a0) + bias_of(a, ky0, kx0, first);
        let a1 = select(-3e38, horizontal(scores.a1) + bias_of(a, ky1, kx1, first), both);
        let b0 = horizontal(scores.b0) + bias_of(b, ky0, kx0, first);
        let b1 = select(-3e38, horizontal(scores.b1) + bias_of(b, ky1, kx1, first), both);
        let next_a = max(top_a, max(a0, a1));
        let next_b = max(top_b, max(b0, b1));
        let weights_a = Weights(exp(top_a - next_a), exp(a0 - next_a), exp(a1 - next_a));
        let weights_b = Weights(exp(top_b - next_b), exp(b0 - next_b), exp(b1 - next_b));
        top_a = next_a;
        top_b = next_b;
        total_a = total_a * weights_a.keep + weights_a.w0 + weights_a.w1;
        total_b = total_b * weights_b.keep + weights_b.w0 + weights_b.w1;
        let v0 = p.part_step + column0;
        collect_all(channels(place0, v0), channels(place1, v0), weights_a, weights_b, 0u);
#ifdef WIDE
        let v1 = p.part_step + column1;
        collect_all(channels(place0, v1), channels(place1, v1), weights_a, weights_b, 8u);
#endif
        kx += 1u;
        if kx == p.side_x {
            kx = 0u;
            ky += 1u;
        }
    }
    let to_a = ((map + a.pixel) * p.heads + head) * p.dim4;
    let to_b = ((map + b.pixel) * p.heads + head) * p.dim4;
    store(0u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(1u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(2u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(3u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(4u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(5u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(6u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(7u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
#ifdef WIDE
    store(8u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(9u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(10u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(11u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(12u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(13u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(14u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
    store(15u, a.real, to_a, 1.0 / total_a, b.real, to_b, 1.0 / total_b);
#endif
}

// The functions below run once for every four channels; `i` is a literal, so that the arrays stay in registers.
fn load(i: u32, at_a: u32, at_b: u32) {
    if i < p.dim4 {
        query_a[i] = x[at_a + i] * p.scale;
        query_b[i] = x[at_b + i] * p.scale;
    }
}

fn store(i: u32, real_a: bool, to_a: u32, share_a: f32, real_b: bool, to_b: u32, share_b: f32) {
    if i < p.dim4 && real_a {
        out[to_a + i] = sums_a[i] * share_a;
    }
    if i < p.dim4 && real_b {
        out[to_b + i] = sums_b[i] * share_b;
    }
}

fn multiply_all(k0: vec4<f32>, k1: vec4<f32>, first: u32) {
    multiply(k0, k1, 0u, first + 0u);
    multiply(k0, k1, 1u, first + 1u);
    multiply(k0, k1, 2u, first + 2u);
    multiply(k0, k1, 3u, first + 3u);
    multiply(k0, k1, 4u, first + 4u);
    multiply(k0, k1, 5u, first + 5u);
    multiply(k0, k1, 6u, first + 6u);
    multiply(k0, k1, 7u, first + 7u);
}

fn collect_all(v0: vec4<f32>, v1: vec4<f32>, a: Weights, b: Weights, first: u32) {
    collect(v0, v1, a, b, 0u, first + 0u);
    collect(v0, v1, a, b, 1u, first + 1u);
    collect(v0, v1, a, b, 2u, first + 2u);
    collect(v0, v1, a, b, 3u, first + 3u);
    collect(v0, v1, a, b, 4u, first + 4u);
    collect(v0, v1, a, b, 5u, first + 5u);
    collect(v0, v1, a, b, 6u, first + 6u);
    collect(v0, v1, a, b, 7u, first + 7u);
}
