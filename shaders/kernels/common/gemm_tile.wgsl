// One TM x TN output tile of a matrix product in workgroup memory: TX * TY invocations, each 4 rows (output channels)
// by 4 columns (pixels). The kernel stages BK columns of pixels (`pixel_tile`) and weights (`weight_tile`) per step.
var<workgroup> weight_tile: array<vec4<f32>, WEIGHT_TILE>; // [BK][TM / 4]
var<workgroup> pixel_tile: array<vec4<f32>, PIXEL_TILE>; // [BK][TN / 4]

// Accumulators: one row each, four pixels.
var<private> acc0: vec4<f32>;
var<private> acc1: vec4<f32>;
var<private> acc2: vec4<f32>;
var<private> acc3: vec4<f32>;

fn multiply_tile(tx: u32, ty: u32) {
    for (var k = 0u; k < BK; k += 1u) {
        let w = weight_tile[k * (TM / 4u) + ty];
        let x = pixel_tile[k * (TN / 4u) + tx];
        acc0 += w.x * x;
        acc1 += w.y * x;
        acc2 += w.z * x;
        acc3 += w.w * x;
    }
}
