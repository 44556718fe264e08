//! Fast CPU twin of [`super::WindowAttention`]: streamed over tiles of keys, tasks by sample, window, head and run of
//! queries.
//!
//! Decomposed positions become two small tables per block of queries, one by the key's row and one by its column, made by
//! one product of all table rows with the queries. Distances become a matrix per head, the same for every window.

use super::{Bias, WindowAttention};
use crate::common::native::{
    Block, Cached, Disjoint, Isa, KeyBias, Packed, Streamed, lanes, run_tasks,
};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Most blocks of queries that share a tile of keys.
const BLOCKS_MAX: usize = 4;

/// Bias tables laid out for the processor, made at first use.
pub(super) type Tables = Cached<Table>;

pub(super) enum Table {
    None,
    /// `[heads, S * S keys, S * S queries]`, queries filled up to whole blocks.
    Matrix {
        values: Vec<f32>,
        stride: usize,
    },
    /// `[2 S - 1, head dimension]` along y and x.
    Decomposed([Packed; 2]),
}

fn table(op: &WindowAttention, isa: Isa, side: usize) -> Table {
    match &op.bias {
        Bias::None => Table::None,
        Bias::Decomposed { rows, columns } => {
            let pack = |table: &[f32]| {
                Packed::new(isa, 2 * side - 1, op.head_dim, |row, i| {
                    table[row * op.head_dim + i]
                })
            };
            Table::Decomposed([pack(rows), pack(columns)])
        }
        Bias::Distance(table) => {
            let (pixels, stride) = (side * side, (side * side).next_multiple_of(isa.columns()));
            let value = |head: usize, key: usize, query: usize| {
                let q = query.min(pixels - 1);
                table[(head * side + (key / side).abs_diff(q / side)) * side
                    + (key % side).abs_diff(q % side)]
            };
            let row =
                |at: usize| (0..stride).map(move |query| value(at / pixels, at % pixels, query));
            Table::Matrix {
                values: (0..op.heads * pixels).flat_map(row).collect(),
                stride,
            }
        }
    }
}

/// Sizes of one run.
struct Plan {
    streamed: Streamed,
    map: [usize; 3],
    /// Height and width of a window.
    window: [usize; 2],
    /// Windows along y and x.
    windows: [usize; 2],
    /// Queries of a task.
    run: usize,
    /// Blocks that share a tile of keys.
    blocks: usize,
}

impl Plan {
    fn new(op: &WindowAttention, [n, h, w]: [usize; 3]) -> Plan {
        let window = op.window.map_or([h, w], |s| [s, s]);
        let windows = [h.div_ceil(window[0]), w.div_ceil(window[1])];
        let queries = window[0] * window[1];
        let streamed = Streamed {
            isa: Isa::active(),
            dim: op.head_dim,
            keys: queries,
        };
        // Large windows are shared by several threads where there are few of them; packing their keys again is cheap then.
        let runs = (4 * lanes()).div_ceil(n * windows[0] * windows[1] * op.heads);
        let run = queries
            .div_ceil(runs)
            .max(512)
            .next_multiple_of(streamed.lanes())
            .min(queries.next_multiple_of(streamed.lanes()));
        let blocks = BLOCKS_MAX.min(run / streamed.lanes());
        Plan {
            streamed,
            map: [n, h, w],
            window,
            windows,
            run,
            blocks,
        }
    }

    /// Floats of position tables: of a block along both axes, and of the product they are taken from.
    fn position_lens(&self, op: &WindowAttention) -> [usize; 2] {
        let [sh, sw] = self.window;
        match op.bias {
            Bias::Decomposed { .. } => [
                (sh + sw) * self.streamed.lanes(),
                (2 * sh.max(sw) + 12) * self.streamed.lanes(),
            ],
            Bias::None | Bias::Distance(_) => [0, 0],
        }
    }

    fn lane_len(&self, op: &WindowAttention) -> usize {
        let s = &self.streamed;
        let [positions, product] = self.position_lens(op);
        s.keys_len()
            + s.values_len()
            + s.scores_len()
            + product
            + self.blocks * (2 * s.dim * s.lanes() + positions)
    }
}

fn map(dims: &[usize]) -> Option<[usize; 3]> {
    match dims {
        [n, h, w, _] => Some([*n, *h, *w]),
        _ => None,
    }
}

pub(super) fn scratch(op: &WindowAttention, inputs: &[TensorSpec]) -> usize {
    let Some(map) = inputs.first().and_then(|x| map(x.shape.dims())) else {
        return 0;
    };
    lanes() * Plan::new(op, map).lane_len(op)
}

pub(super) fn run(
    op: &WindowAttention,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some((x, map)) = inputs
        .first()
        .and_then(|x| Some((x.f32(), map(x.shape().dims())?)))
    else {
        return;
    };
    let plan = Plan::new(op, map);
    let isa = plan.streamed.isa;
    let table = op.packed.get_or(isa, || table(op, isa, plan.window[0]));
    let out = Disjoint::new(output.f32());
    let runs = (plan.window[0] * plan.window[1]).div_ceil(plan.run);
    let [rows, columns] = plan.windows;
    run_tasks(
        map[0] * rows * columns * op.heads * runs,
        scratch,
        plan.lane_len(op),
        |task, scratch| {
            let (window, head, run) = (
                task / (runs * op.heads),
                task / runs % op.heads,
                task % runs,
            );
            let origin = [
                window / columns % rows * plan.window[0],
                window % columns * plan.window[1],
            ];
            let task = Task {
                op,
                plan: &plan,
                table,
                x,
                out,
                sample: window / (rows * columns),
                origin,
                head,
            };
            task.run(run * plan.run, scratch);
        },
    );
}

/// One head in one window.
struct Task<'a> {
    op: &'a WindowAttention,
    plan: &'a Plan,
    table: &'a Table,
    x: &'a [f32],
    out: Disjoint<'a>,
    sample: usize,
    /// First row and column of the window.
    origin: [usize; 2],
    head: usize,
}

impl Task<'_> {
    /// The pixel at a position of the window; `None` if it is padding.
    fn pixel(&self, position: usize) -> Option<usize> {
        let [_, h, w] = self.plan.map;
        let (y, x) = (
            self.origin[0] + position / self.plan.window[1],
            self.origin[1] + position % self.plan.window[1],
        );
        (y < h && x < w).then_some((self.sample * h + y) * w + x)
    }

    /// Query, key or value (`part` 0, 1, 2) at a position of the window.
    fn line(&self, part: usize, position: usize) -> &[f32] {
        let (at, c) = (self.op.offsets(self.head)[part], self.op.pad.len());
        let all = self
            .pixel(position)
            .map_or(&self.op.pad[..], |pixel| &self.x[pixel * c..][..c]);
        &all[at..at + self.op.head_dim]
    }

    /// The window's queries from `first` on, as many as a task has.
    fn run(&self, first: usize, scratch: &mut [f32]) {
        let (s, plan) = (self.plan.streamed, self.plan);
        let (keys, rest) = scratch.split_at_mut(s.keys_len());
        let (values, rest) = rest.split_at_mut(s.values_len());
        let (scores, rest) = rest.split_at_mut(s.scores_len());
        let [positions_len, product_len] = plan.position_lens(self.op);
        let (product, blocks) = rest.split_at_mut(product_len);
        s.pack_keys(|i| self.line(1, i), keys);
        s.pack_values(|i| self.line(2, i), values);
        // Rows of the window below the map hold no queries.
        let rows = plan.window[0].min(plan.map[1] - self.origin[0]);
        let end = (rows * plan.window[1]).min(first + plan.run);
        let block_len = 2 * s.dim * s.lanes() + positions_len;
        for first in (first..end).step_by(plan.blocks * s.lanes()) {
            let starts = (first..end.min(first + plan.blocks * s.lanes())).step_by(s.lanes());
            let pieces = starts.clone().zip(blocks.chunks_exact_mut(block_len));
            let mut states: Vec<Block<'_>> = pieces
                .map(|(start, piece)| self.block(start, end, piece, product))
                .collect();
            s.attend(keys, values, &mut states, scores);
            starts
                .zip(&states)
                .for_each(|(start, state)| self.store(start, end, state.out));
        }
    }

    /// The queries from `start` on, packed, with their biases.
    fn block<'b>(
        &'b self,
        start: usize,
        end: usize,
        piece: &'b mut [f32],
        product: &mut [f32],
    ) -> Block<'b> {
        let (s, plan) = (self.plan.streamed, self.plan);
        let (queries, rest) = piece.split_at_mut(s.dim * s.lanes());
        let (out, positions) = rest.split_at_mut(s.dim * s.lanes());
        s.pack_queries(end - start, 1.0, |lane| self.line(0, start + lane), queries);
        let bias = match self.table {
            Table::None => KeyBias::None,
            Table::Matrix { values, stride } => KeyBias::Matrix {
                values: &values[self.head * s.keys * stride..][..s.keys * stride][start..],
                stride: *stride,
            },
            Table::Decomposed(tables) => {
                let (rows, columns) = positions.split_at_mut(plan.window[0] * s.lanes());
                let at = |lane: usize| (start + lane).min(end - 1);
                self.positions(
                    &tables[0],
                    queries,
                    |lane| at(lane) / plan.window[1],
                    product,
                    rows,
                );
                self.positions(
                    &tables[1],
                    queries,
                    |lane| at(lane) % plan.window[1],
                    product,
                    columns,
                );
                KeyBias::Sums {
                    rows,
                    columns,
                    side: plan.window[1],
                }
            }
        };
        let scale = 1.0 / (s.dim as f32).sqrt();
        queries.iter_mut().for_each(|v| *v *= scale);
        Block::new(queries, out, bias)
    }

    /// `out[key, lane]` = the table's row for the distance between the lane's query and the key along one axis, times the query.
    fn positions(
        &self,
        table: &Packed,
        queries: &[f32],
        at: impl Fn(usize) -> usize,
        product: &mut [f32],
        out: &mut [f32],
    ) {
        let lanes = self.plan.streamed.lanes();
        let side = out.len() / lanes;
        table.multiply(queries, |first, rows, _, tile| {
            product[first * lanes..][..rows * lanes].copy_from_slice(&tile[..rows * lanes])
        });
        for lane in 0..lanes {
            let query = at(lane);
            for key in 0..side {
                out[key * lanes + lane] = product[(query + side - 1 - key) * lanes + lane];
            }
        }
    }

    fn store(&self, start: usize, end: usize, result: &[f32]) {
        let (s, d) = (self.plan.streamed, self.op.heads * self.op.head_dim);
        for lane in 0..s.lanes().min(end - start) {
            let Some(pixel) = self.pixel(start + lane) else {
                continue;
            };
            // SAFETY: each pixel and head belongs to one task.
            let to = unsafe { self.out.slice(pixel * d + self.head * s.dim, s.dim) };
            to.iter_mut()
                .enumerate()
                .for_each(|(i, value)| *value = result[i * s.lanes() + lane]);
        }
    }
}
