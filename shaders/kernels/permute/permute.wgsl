// Transposition of every sample's [rows][columns], by square tiles through workgroup memory: both sides move whole rows.
#import unit

struct Params {
    samples: u32,      // N
    rows: u32,         // of the input
    columns: u32,      // of the input
    row_tiles: u32,    // ceil(rows / 16)
    column_tiles: u32, // ceil(columns / 16)
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N][rows][columns]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [N][columns][rows]
@group(0) @binding(2) var<uniform> p: Params; // elements

var<workgroup> tile: array<f32, 272>; // [16][17], the last of a row unused against bank conflicts

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let unit = unit_of(wg, groups);
    let column_first = unit % p.column_tiles * 16u;
    let row_first = unit / p.column_tiles % p.row_tiles * 16u;
    let sample = unit / (p.column_tiles * p.row_tiles);
    if sample >= p.samples {
        return;
    }
    let base = sample * p.rows * p.columns;
    let fast = lane % 16u;
    let slow = lane / 16u;
    if row_first + slow < p.rows && column_first + fast < p.columns {
        tile[slow * 17u + fast] = x[base + (row_first + slow) * p.columns + column_first + fast];
    }
    workgroupBarrier();
    if row_first + fast < p.rows && column_first + slow < p.columns {
        out[base + (column_first + slow) * p.rows + row_first + fast] = tile[fast * 17u + slow];
    }
}
