//! Fast CPU twin of [`super::Attention`]: streamed over tiles of keys, tasks by sample, head and run of queries.

use super::{Attention, tokens};
use crate::common::native::{Block, Disjoint, Isa, KeyBias, Streamed, lanes, run_tasks};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Sizes of one run.
struct Plan {
    streamed: Streamed,
    heads: usize,
    channels: usize,
    samples: usize,
    queries: usize,
    /// Queries of a task: enough that packing the keys is cheap beside using them.
    run: usize,
}

impl Plan {
    fn new(op: Attention, q: &[usize], k: &[usize]) -> Plan {
        let (samples, queries, channels) = (q[0], tokens(q), q[q.len() - 1]);
        let streamed = Streamed {
            isa: Isa::active(),
            dim: channels / op.heads,
            keys: tokens(k),
        };
        let runs = (4 * lanes()).div_ceil(samples * op.heads);
        let run = queries
            .div_ceil(runs)
            .max(256)
            .next_multiple_of(streamed.lanes());
        Plan {
            streamed,
            heads: op.heads,
            channels,
            samples,
            queries,
            run,
        }
    }

    fn lane_len(&self) -> usize {
        let s = &self.streamed;
        s.keys_len() + s.values_len() + 2 * s.dim * s.lanes() + s.scores_len()
    }
}

pub(super) fn scratch(op: Attention, inputs: &[TensorSpec]) -> usize {
    let [q, k, _] = inputs else { return 0 };
    lanes() * Plan::new(op, q.shape.dims(), k.shape.dims()).lane_len()
}

pub(super) fn run(
    op: Attention,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let [q, k, v] = inputs else { return };
    let plan = Plan::new(op, q.shape().dims(), k.shape().dims());
    let (s, d, runs) = (
        plan.streamed,
        plan.channels,
        plan.queries.div_ceil(plan.run),
    );
    let (q, k, v, out) = (q.f32(), k.f32(), v.f32(), Disjoint::new(output.f32()));
    let scale = 1.0 / (s.dim as f32).sqrt();
    run_tasks(
        plan.samples * plan.heads * runs,
        scratch,
        plan.lane_len(),
        |task, scratch| {
            let (sample, head, first) = (
                task / runs / plan.heads,
                task / runs % plan.heads,
                task % runs * plan.run,
            );
            let (keys, rest) = scratch.split_at_mut(s.keys_len());
            let (values, rest) = rest.split_at_mut(s.values_len());
            let (queries, rest) = rest.split_at_mut(s.dim * s.lanes());
            let (sums, scores) = rest.split_at_mut(s.dim * s.lanes());
            let key = |i: usize| (sample * s.keys + i) * d + head * s.dim;
            s.pack_keys(|i| &k[key(i)..][..s.dim], keys);
            s.pack_values(|i| &v[key(i)..][..s.dim], values);
            for first in (first..plan.queries.min(first + plan.run)).step_by(s.lanes()) {
                let count = s.lanes().min(plan.queries - first);
                let at = |lane: usize| (sample * plan.queries + first + lane) * d + head * s.dim;
                s.pack_queries(count, scale, |lane| &q[at(lane)..][..s.dim], queries);
                s.attend(
                    keys,
                    values,
                    &mut [Block::new(queries, sums, KeyBias::None)],
                    scores,
                );
                for lane in 0..count {
                    // SAFETY: each query and head belongs to one task.
                    let to = unsafe { out.slice(at(lane), s.dim) };
                    to.iter_mut()
                        .enumerate()
                        .for_each(|(i, value)| *value = sums[i * s.lanes() + lane]);
                }
            }
        },
    );
}
