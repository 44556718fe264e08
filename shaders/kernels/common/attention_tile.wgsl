// One query per invocation against tiles of keys and values in workgroup memory, with the softmax kept up to date key by key:
// sums are relative to the largest score so far. The kernel fills the tiles; DIM4 vec4s a row, zeros behind the head's end.
var<workgroup> key_tile: array<vec4<f32>, TILE>; // [KEYS][DIM4]
var<workgroup> value_tile: array<vec4<f32>, TILE>; // [KEYS][DIM4]

var<private> query: array<vec4<f32>, DIM4>;
var<private> sums: array<vec4<f32>, DIM4>;
var<private> top: f32 = -3e38;
var<private> total: f32;

// Inner product of the query with a key of the tile.
fn product(key: u32) -> f32 {
    var s = vec4<f32>();
    for (var i = 0u; i < DIM4; i += 1u) {
        s += query[i] * key_tile[key * DIM4 + i];
    }
    return s.x + s.y + s.z + s.w;
}

// Takes part of a value of the tile, by its score.
fn attend(key: u32, score: f32) {
    if score > top {
        let keep = exp(top - score);
        top = score;
        total *= keep;
        for (var i = 0u; i < DIM4; i += 1u) {
            sums[i] *= keep;
        }
    }
    let w = exp(score - top);
    total += w;
    for (var i = 0u; i < DIM4; i += 1u) {
        sums[i] += w * value_tile[key * DIM4 + i];
    }
}
