// Complex Fourier transforms of lines in workgroup memory, mixed radix, self-sorting (Stockham): every stage reads one half of
// `points` and writes the other. A stage of radix r is r multiply-adds per value, for any r: small factors make it a fast
// transform, a large prime factor makes that stage a matrix product.
//
// The importing shader gives `turn(axis, t)` = cos, sin of 2 pi t / n and `radix_of(axis, stage)`, whose product is n.
var<workgroup> points: array<vec2<f32>, POINTS_TWICE>;

// Lines to transform.
struct Lines {
    axis: u32,    // passed on to `turn` and `radix_of`
    count: u32,   // lines
    n: u32,       // values of a line
    stages: u32,  // radices
    across: bool, // value e of line l lies at e * count + l, otherwise at l * n + e
    sign: f32,    // of the exponent
}

// floor(a / d) for a < 2^20, given 1 / d.
fn quotient(a: u32, inverse: f32) -> u32 {
    return u32((f32(a) + 0.5) * inverse);
}

// Transforms lines that begin at `start` (0 or POINTS); returns where the result begins. Ends with a barrier.
fn transform_lines(lines: Lines, start: u32, lane: u32) -> u32 {
    var src = start;
    var done = 1u; // product of the radices so far
    let inner = select(lines.n, lines.count, lines.across);
    let inner_inverse = 1.0 / f32(inner);
    for (var stage = 0u; stage < lines.stages; stage += 1u) {
        let radix = radix_of(lines.axis, stage);
        let span = done * radix;
        let span_inverse = 1.0 / f32(span);
        let done_inverse = 1.0 / f32(done);
        let skip = lines.n / radix;
        let turns = lines.n / span;
        for (var t = lane; t < lines.count * lines.n; t += THREADS) {
            let outer = quotient(t, inner_inverse);
            let rest = t - outer * inner;
            let e = select(rest, outer, lines.across);
            let block = quotient(e, span_inverse);
            let within = e - block * span;
            let first = block * done + within - quotient(within, done_inverse) * done;
            let stride = select(skip, skip * lines.count, lines.across);
            var at = src + select(outer * lines.n + first, first * lines.count + rest, lines.across);
            var angle = 0u;
            var sum = vec2<f32>(0.0);
            for (var r = 0u; r < radix; r += 1u) {
                let v = points[at];
                let w = turn(lines.axis, angle) * vec2<f32>(1.0, lines.sign);
                sum += vec2<f32>(v.x * w.x - v.y * w.y, v.x * w.y + v.y * w.x);
                at += stride;
                angle += within * turns;
                angle = select(angle, angle - lines.n, angle >= lines.n);
            }
            points[POINTS - src + t] = sum;
        }
        workgroupBarrier();
        src = POINTS - src;
        done = span;
    }
    return src;
}

// Two real lines travel as one complex line. Their spectra, from bin k of the pair's and bin n - k:
struct Two {
    a: vec2<f32>,
    b: vec2<f32>,
}

fn split_pair(bin: vec2<f32>, mirror: vec2<f32>) -> Two {
    return Two(0.5 * vec2<f32>(bin.x + mirror.x, bin.y - mirror.y), 0.5 * vec2<f32>(bin.y + mirror.y, mirror.x - bin.x));
}

// The reverse, for bin i of n: spectra at bin min(i, n - i) to the pair's bin. DC and Nyquist bins of real lines are real.
fn join_pair(a_half: vec2<f32>, b_half: vec2<f32>, i: u32, n: u32) -> vec2<f32> {
    let real = i == 0u || 2u * i == n;
    let conjugate = vec2<f32>(1.0, select(select(1.0, -1.0, 2u * i > n), 0.0, real));
    let a = a_half * conjugate;
    let b = b_half * conjugate;
    return vec2<f32>(a.x - b.y, a.y + b.x);
}
