// Film grain: smooth noise of about unit deviation, strongest in the mid-tones, the same for all colours.
@group(0) @binding(0) var<storage, read> hole: array<f32>; // [H, W], 0..1, 1 = fill
// Starts as a copy of the fill.
@group(0) @binding(1) var<storage, read_write> result: array<f32>; // [H, W, 3], RGB 0..1

struct Params { width: u32, height: u32, strength: f32, size_px: f32, seed: f32 }
@group(0) @binding(2) var<uniform> params: Params;

// A number from -1 to 1 that depends on a grid point and the seed (PCG).
fn noise(x: i32, y: i32) -> f32 {
    var v = u32(x) * 1664525u + u32(y) * 22695477u + u32(params.seed) * 2654435769u;
    v = v * 747796405u + 2891336453u;
    v = ((v >> ((v >> 28u) + 4u)) ^ v) * 277803737u;
    v = (v >> 22u) ^ v;
    return f32(v >> 8u) / 8388607.5 - 1.0;
}

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height || hole[id.y * params.width + id.x] == 0.0 {
        return;
    }
    let place = vec2<f32>(id.xy) / params.size_px;
    let cell = vec2<i32>(floor(place));
    let t = fract(place);
    let top = mix(noise(cell.x, cell.y), noise(cell.x + 1, cell.y), t.x);
    let bottom = mix(noise(cell.x, cell.y + 1), noise(cell.x + 1, cell.y + 1), t.x);
    // Uniform noise mixed from neighbours has a deviation of a little under 0.4.
    let grain = 2.6 * mix(top, bottom, t.y);
    let at = (id.y * params.width + id.x) * 3u;
    let light = (result[at] + result[at + 1u] + result[at + 2u]) / 3.0;
    let add = params.strength * grain * 4.0 * light * (1.0 - light);
    for (var c = 0u; c < 3u; c++) {
        result[at + c] = clamp(result[at + c] + add, 0.0, 1.0);
    }
}
