// Half the size, channels last: [1, 3, 3, 1] x [1, 3, 3, 1] / 64, stride 2, zero padding 1. An invocation owns one ELEMENT of
// channels (one, or four) of an output pixel.
#import unit

struct Params {
    count: u32, // invocations: N * h * w * c
    c: u32,     // ELEMENTs of a pixel
    h: u32,     // output height, pixels
    w: u32,     // output width, pixels
}

@group(0) @binding(0) var<storage, read> x: array<ELEMENT>; // [N, 2 h, 2 w, c]
@group(0) @binding(1) var<storage, read_write> out: array<ELEMENT>; // [N, h, w, c]
@group(0) @binding(2) var<uniform> p: Params; // pixels, elements

// Input pixel `i` of the row that starts at `row`, counted from 1; zero outside.
fn pixel(row: u32, i: u32, c: u32) -> ELEMENT {
    if i == 0u || i > 2u * p.w {
        return ELEMENT();
    }
    return x[(row + i - 1u) * p.c + c];
}

// Row `y` of image `b` filtered along x, counted from 1; zero outside.
fn line(b: u32, y: u32, ox: u32, c: u32) -> ELEMENT {
    if y == 0u || y > 2u * p.h {
        return ELEMENT();
    }
    let row = (b * 2u * p.h + y - 1u) * 2u * p.w;
    let i = 2u * ox;
    return pixel(row, i, c) + pixel(row, i + 3u, c) + 3.0 * (pixel(row, i + 1u, c) + pixel(row, i + 2u, c));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unit_of(wg, groups) * 64u + lane;
    if i >= p.count {
        return;
    }
    let c = i % p.c;
    let ox = i / p.c % p.w;
    let oy = i / (p.c * p.w) % p.h;
    let b = i / (p.c * p.w * p.h);
    let y = 2u * oy;
    let sum = line(b, y, ox, c) + line(b, y + 3u, ox, c) + 3.0 * (line(b, y + 1u, ox, c) + line(b, y + 2u, ox, c));
    out[i] = sum * 0.015625;
}
