// What follows the 1x1, channels last: twice the size (zero insertion, [1, 3, 3, 1] x [1, 3, 3, 1] / 16), noise, activation,
// skip. An invocation owns one ELEMENT of channels (one, or four) of an output pixel.
#import unit
#import epilogue

struct Params {
    count: u32, // invocations: N * h * w * c
    c: u32,     // ELEMENTs of a pixel
    h: u32,     // output height, pixels
    w: u32,     // output width, pixels
    side: u32,  // side of the noise map, pixels
    act: u32,   // Act::code
}

#ifdef UP
@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [N, h / 2, w / 2, c]
#else
@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [N, h, w, c]
#endif
@group(0) @binding(1) var<storage, read_write> out: array<ELEMENT>; // [N, h, w, c]
#ifdef NOISE
@group(0) @binding(2) var<storage, read> noise: array<f32>; // [side, side]
#endif
#ifdef SKIP
@group(0) @binding(SKIP_BINDING) var<storage, read> skip: array<ELEMENT>; // [N, h, w, c]
#endif
@group(0) @binding(PARAMS) var<uniform> p: Params; // pixels, elements

#ifdef UP
// Input pixel (y, x) of image `b`, both counted from 1; zero outside.
fn pixel(b: u32, y: u32, x1: u32, c: u32) -> ELEMENT {
    let h = p.h / 2u;
    let w = p.w / 2u;
    if y == 0u || y > h || x1 == 0u || x1 > w {
        return ELEMENT();
    }
    return x[((b * h + y - 1u) * w + x1 - 1u) * p.c + c];
}

// Three quarters of the nearest input pixel and a quarter of the next one on the side that the output pixel lies on, both ways.
fn enlarged(b: u32, oy: u32, ox: u32, c: u32) -> ELEMENT {
    let y = oy / 2u + 1u;
    let x1 = ox / 2u + 1u;
    let other_y = select(y - 1u, y + 1u, oy % 2u == 1u);
    let other_x = select(x1 - 1u, x1 + 1u, ox % 2u == 1u);
    let near = 3.0 * pixel(b, y, x1, c) + pixel(b, y, other_x, c);
    let far = 3.0 * pixel(b, other_y, x1, c) + pixel(b, other_y, other_x, c);
    return (3.0 * near + far) * 0.0625;
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i >= p.count {
        return;
    }
    let ox = i / p.c % p.w;
    let oy = i / (p.c * p.w) % p.h;
#ifdef UP
    var value = enlarged(i / (p.c * p.w * p.h), oy, ox, i % p.c);
#else
    var value = x[i];
#endif
#ifdef NOISE
    value += noise[oy % p.side * p.side + ox % p.side];
#endif
    value = ACTIVATE(value, p.act);
#ifdef SKIP
    value += skip[i];
#endif
    out[i] = value;
}
