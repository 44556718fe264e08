// What the patch kernels share: sites (see site.rs), packed texels, random numbers.
const NONE: u32 = 0xffffffffu;
const KNOWN: u32 = 1u;
const HOLE: u32 = 2u;
const TARGET: u32 = 4u;
const SOURCE: u32 = 8u;

// The eight channels of a texel: even ones in the low halves.
fn even(t: vec4<u32>) -> vec4<i32> {
    return (vec4<i32>(t) << vec4<u32>(16u)) >> vec4<u32>(16u);
}
fn odd(t: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(t) >> vec4<u32>(16u);
}
fn packed(e: vec4<i32>, o: vec4<i32>) -> vec4<u32> {
    return (vec4<u32>(e) & vec4<u32>(0xffffu)) | (vec4<u32>(o) << vec4<u32>(16u));
}
// Colour and texture (channels 0..5) from `voted`, the guide (5..8) from `fixed`.
fn merged(voted: vec4<u32>, fixed: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(voted.xy, (voted.z & 0xffffu) | (fixed.z & 0xffff0000u), fixed.w);
}
// sum / total, rounded half away from zero.
fn rounded(sum: vec4<i32>, total: i32) -> vec4<i32> {
    return (sum + sign(sum) * vec4<i32>(total / 2)) / vec4<i32>(total);
}
fn random(a: u32, b: u32, c: u32) -> u32 {
    var x = (a * 0x9e3779b1u) ^ (b * 0x85ebca77u) ^ (c * 0xc2b2ae3du);
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    return x ^ (x >> 16u);
}
