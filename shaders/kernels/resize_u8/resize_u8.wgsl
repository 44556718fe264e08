// One axis of the antialiased resize in fixed point; one word (four output bytes) per invocation.
#import unit

struct Params {
    bytes: u32, // of the output
    length: u32,  // input length of the axis
    to: u32,    // output length of the axis
    inner: u32, // bytes between two positions of the axis
    taps: u32,  // weights of an output position
}

@group(0) @binding(0) var<storage, read> x: array<u32>; // [outer, length, inner] bytes, four to a word
@group(0) @binding(1) var<storage, read> windows: array<i32>; // [to][1 + taps]: first position, weights in units of 2^-22
@group(0) @binding(2) var<storage, read_write> out: array<u32>; // [outer, to, inner] bytes, four to a word
@group(0) @binding(3) var<uniform> p: Params; // bytes

fn value(at: u32) -> u32 {
    let i = at % p.inner;
    let position = at / p.inner % p.to;
    let outer = at / (p.inner * p.to) * p.length;
    let window = position * (p.taps + 1u);
    let first = u32(windows[window]);
    var sum = 1 << 21u;
    for (var k = 0u; k < p.taps; k += 1u) {
        // Weights past the window are zero; clamping keeps their reads on the axis.
        let source = (outer + min(first + k, p.length - 1u)) * p.inner + i;
        sum += windows[window + 1u + k] * i32((x[source >> 2u] >> ((source & 3u) * 8u)) & 255u);
    }
    return u32(clamp(sum >> 22u, 0, 255));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 256u + lane;
    if i * 4u >= p.bytes {
        return;
    }
    var word = 0u;
    for (var k = 0u; k < 4u; k += 1u) {
        if i * 4u + k < p.bytes {
            word |= value(i * 4u + k) << (k * 8u);
        }
    }
    out[i] = word;
}
