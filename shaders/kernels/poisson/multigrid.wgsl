// The steps of a multigrid solve on the correction of the first fill; one cell (three channels) per invocation.
// Cells of all grids lie one after the other, finest first; `own` and `other` are the offsets of two of them.
#import unit

struct Params {
    h: u32, // cells of the grid written
    w: u32, // cells
    own: u32, // offset of the grid written, cells
    other_h: u32, // cells of the grid read (the same in a sweep)
    other_w: u32, // cells
    other: u32, // offset of the grid read, cells
    parity: u32, // colour of the cells of a sweep
    soft: f32, // limit of a change, 0: none
}

const OUTSIDE: u32 = 0u;
const KNOWN: u32 = 1u;
const HOLE: u32 = 2u;

#ifdef SETUP
@group(0) @binding(0) var<storage, read> image: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(1) var<storage, read> slopes: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(2) var<storage, read> site: array<u32>; // [H, W]
@group(0) @binding(3) var<storage, read_write> cells: array<u32>; // what a cell is
@group(0) @binding(4) var<storage, read_write> b: array<vec4<f32>>; // right-hand side, 0..1
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>; // correction, 0..1
@group(0) @binding(6) var<uniform> p: Params;

fn colour(at: u32) -> vec3<f32> {
    return vec3<f32>(image[3u * at], image[3u * at + 1u], image[3u * at + 2u]);
}
fn kind(at: u32) -> u32 {
    return select(select(OUTSIDE, KNOWN, (site[at] & 1u) != 0u), HOLE, (site[at] & 2u) != 0u);
}
fn step_at(at: u32, n: u32) -> vec3<f32> {
    return select(vec3<f32>(), colour(at) - colour(n), kind(n) != OUTSIDE);
}
fn work(at: u32, cx: u32, cy: u32) {
    cells[at] = kind(at);
    x[at] = vec4<f32>();
    var rest = vec3<f32>();
    if kind(at) == HOLE {
        rest = vec3<f32>(slopes[3u * at], slopes[3u * at + 1u], slopes[3u * at + 2u]);
        if cy > 0u {
            rest -= step_at(at, at - p.w);
        }
        if cx > 0u {
            rest -= step_at(at, at - 1u);
        }
        if cx + 1u < p.w {
            rest -= step_at(at, at + 1u);
        }
        if cy + 1u < p.h {
            rest -= step_at(at, at + p.w);
        }
    }
    b[at] = vec4<f32>(rest, 0.0);
}
#endif

#ifdef CLASSIFY
@group(0) @binding(0) var<storage, read_write> cells: array<u32>; // what a cell is
@group(0) @binding(1) var<uniform> p: Params;

// A coarse cell is hole if all of its children in the photo are, otherwise known if any is.
fn work(at: u32, cx: u32, cy: u32) {
    var kind = OUTSIDE;
    for (var j = 2u * cy; j < min(2u * cy + 2u, p.other_h); j += 1u) {
        for (var i = 2u * cx; i < min(2u * cx + 2u, p.other_w); i += 1u) {
            let child = cells[p.other + j * p.other_w + i];
            if child == OUTSIDE {
                continue;
            }
            kind = select(KNOWN, HOLE, child == HOLE && kind != KNOWN);
        }
    }
    cells[p.own + at] = kind;
}
#endif

#ifdef SWEEP
@group(0) @binding(0) var<storage, read> cells: array<u32>; // what a cell is
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>; // right-hand side, 0..1
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // correction, 0..1
@group(0) @binding(3) var<uniform> p: Params;

fn work(at: u32, cx: u32, cy: u32) {
    let own = p.own + at;
    if ((cx + cy) & 1u) != p.parity || cells[own] != HOLE {
        return;
    }
    var sum = b[own];
    var count = 0.0;
    if cy > 0u && cells[own - p.w] != OUTSIDE {
        sum += x[own - p.w];
        count += 1.0;
    }
    if cx > 0u && cells[own - 1u] != OUTSIDE {
        sum += x[own - 1u];
        count += 1.0;
    }
    if cx + 1u < p.w && cells[own + 1u] != OUTSIDE {
        sum += x[own + 1u];
        count += 1.0;
    }
    if cy + 1u < p.h && cells[own + p.w] != OUTSIDE {
        sum += x[own + p.w];
        count += 1.0;
    }
    if count > 0.0 {
        x[own] = sum / count;
    }
}
#endif

#ifdef RESTRICT
@group(0) @binding(0) var<storage, read> cells: array<u32>; // what a cell is
@group(0) @binding(1) var<storage, read_write> b: array<vec4<f32>>; // right-hand side, 0..1
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // correction, 0..1
@group(0) @binding(3) var<uniform> p: Params;

fn pull(own: u32, n: u32) -> vec4<f32> {
    return select(vec4<f32>(), x[n] - x[own], cells[n] != OUTSIDE);
}
// What the correction leaves of the right-hand side at a fine cell.
fn rest(fx: u32, fy: u32) -> vec4<f32> {
    let own = p.other + fy * p.other_w + fx;
    if cells[own] != HOLE {
        return vec4<f32>();
    }
    var sum = b[own];
    if fy > 0u {
        sum += pull(own, own - p.other_w);
    }
    if fx > 0u {
        sum += pull(own, own - 1u);
    }
    if fx + 1u < p.other_w {
        sum += pull(own, own + 1u);
    }
    if fy + 1u < p.other_h {
        sum += pull(own, own + p.other_w);
    }
    return sum;
}
fn work(at: u32, cx: u32, cy: u32) {
    var sum = vec4<f32>();
    for (var j = 2u * cy; j < min(2u * cy + 2u, p.other_h); j += 1u) {
        for (var i = 2u * cx; i < min(2u * cx + 2u, p.other_w); i += 1u) {
            sum += rest(i, j);
        }
    }
    b[p.own + at] = sum;
    x[p.own + at] = vec4<f32>();
}
#endif

#ifdef PROLONG
@group(0) @binding(0) var<storage, read> cells: array<u32>; // what a cell is
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>; // correction, 0..1
@group(0) @binding(2) var<uniform> p: Params;

// The coarse correction; beyond the photo it goes on as at its edge.
fn coarse(cx: i32, cy: i32, edge: vec4<f32>) -> vec4<f32> {
    if cx < 0 || cy < 0 || cx >= i32(p.other_w) || cy >= i32(p.other_h) {
        return edge;
    }
    let at = p.other + u32(cy) * p.other_w + u32(cx);
    if cells[at] == OUTSIDE {
        return edge;
    }
    return x[at];
}
fn work(at: u32, fx: u32, fy: u32) {
    if cells[p.own + at] != HOLE {
        return;
    }
    let cx = i32(fx / 2u);
    let cy = i32(fy / 2u);
    let nx = cx + select(-1, 1, (fx & 1u) != 0u);
    let ny = cy + select(-1, 1, (fy & 1u) != 0u);
    let c = x[p.other + u32(cy) * p.other_w + u32(cx)];
    x[p.own + at] += 0.5625 * c + 0.1875 * (coarse(nx, cy, c) + coarse(cx, ny, c)) + 0.0625 * coarse(nx, ny, c);
}
#endif

#ifdef FINISH
@group(0) @binding(0) var<storage, read> image: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(1) var<storage, read> cells: array<u32>; // what a cell is
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // correction, 0..1
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // [H, W, 3], 0..1
@group(0) @binding(4) var<uniform> p: Params;

fn work(at: u32, cx: u32, cy: u32) {
    var delta = vec3<f32>();
    if cells[at] == HOLE {
        delta = x[at].xyz;
        if p.soft > 0.0 {
            let share = max(max(abs(delta.x), abs(delta.y)), abs(delta.z)) / p.soft;
            delta /= 1.0 + share * share;
        }
    }
    for (var c = 0u; c < 3u; c += 1u) {
        out[3u * at + c] = image[3u * at + c] + delta[c];
    }
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unit_of(wg, groups) * 64u + lane;
    if at >= p.h * p.w {
        return;
    }
    let y = at / p.w;
    work(at, at - y * p.w, y);
}
