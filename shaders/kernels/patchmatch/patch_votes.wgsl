// Who votes for a pixel and how much (see votes.rs and weights.rs).
// Needs `site`, `nnf`, `distance` (u32 [H, W]), params `p` with h, w, falloff, and the defines RADIUS, SIDE2 and SPREAD.
const FRACTIONS = array<u32, 32>(
    8192u, 8016u, 7845u, 7677u, 7512u, 7351u, 7194u, 7039u, 6889u, 6741u, 6597u, 6455u, 6317u, 6182u, 6049u, 5919u,
    5793u, 5668u, 5547u, 5428u, 5312u, 5198u, 5087u, 4978u, 4871u, 4767u, 4664u, 4565u, 4467u, 4371u, 4277u, 4186u,
);
var<private> vote_source: array<u32, SIDE2>;
var<private> vote_exponent: array<u32, SIDE2>;
var<private> vote_count: u32;

fn vote_weight(i: u32) -> u32 {
    let exponent = vote_exponent[i];
    var table = FRACTIONS;
    return select(table[exponent & 31u] >> (exponent >> 5u), 0u, exponent >= 448u);
}

// Collects the votes for pixel (x, y) in row order of the patch centres.
fn collect_votes(x: u32, y: u32) {
    var means: array<u32, SIDE2>;
    var count = 0u;
    var sum = 0u;
    let x0 = x - min(x, RADIUS);
    let y0 = y - min(y, RADIUS);
    for (var qy = y0; qy <= min(y + RADIUS, p.h - 1u); qy += 1u) {
        for (var qx = x0; qx <= min(x + RADIUS, p.w - 1u); qx += 1u) {
            let q = qy * p.w + qx;
            let from_q = nnf[q];
            if from_q == NONE {
                continue;
            }
            let dx = max(qx, x) - min(qx, x);
            let dy = max(qy, y) - min(qy, y);
            let mean = distance[q] / max((site[q] >> 8u) & 255u, 1u);
            vote_source[count] = from_q + y * p.w + x - q;
            vote_exponent[count] = (((site[q] >> 16u) * p.falloff) >> 5u) + (dx * dx + dy * dy) * SPREAD;
            means[count] = mean;
            sum += mean;
            count += 1u;
        }
    }
    vote_count = count;
    let s2 = max(sum / max(count, 1u), 1u);
    let bits = firstLeadingBit(s2) + 1u;
    let shift = max(bits, 12u) - 12u;
    let scaled = s2 >> shift;
    let factor = (23u << 20u) / scaled;
    var least = 0xffffffffu;
    for (var i = 0u; i < count; i += 1u) {
        let e = vote_exponent[i] + ((min(means[i] >> shift, 20u * scaled) * factor) >> 20u);
        vote_exponent[i] = e;
        least = min(least, e);
    }
    for (var i = 0u; i < count; i += 1u) {
        vote_exponent[i] -= least;
    }
}
