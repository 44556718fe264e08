//! A recording made ready on one device: buffers, pipelines, bind groups, and how the work is cut into submits.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::Recorded;
use super::constants::Constant;
use super::device::Gpu;
use super::pipelines::{Key, Pipeline};
use crate::error::EngineError;
use crate::memory::Held;
use crate::plan::round_up;
use crate::recording::{DispatchStep, Place, Recording, Step};

/// Length of one submit that the cut aims at, in seconds: short enough to stop between submits and to stay far
/// below the time at which systems reset a display GPU.
const SUBMIT_S: f64 = 0.1;

/// Dispatches in one submit.
const SUBMIT_DISPATCHES_MAX: usize = 512;

/// A dispatch ready to be encoded.
#[derive(Debug)]
pub(super) struct Ready {
    pub pipeline: Arc<Pipeline>,
    pub bind_group: wgpu::BindGroup,
    pub groups: [u32; 3],
}

/// Buffers and commands of one executable on one device.
#[derive(Debug)]
pub(super) struct Prepared {
    pub gpu: Arc<Gpu>,
    pub recorded: Arc<Recorded>,
    pub slots: Vec<wgpu::Buffer>,
    /// Host-readable copies of the outputs, in order.
    pub staging: Vec<wgpu::Buffer>,
    pub steps: Vec<Ready>,
    /// Ranges of `steps`, one per submit.
    pub submits: Vec<Range<usize>>,
    params: wgpu::Buffer,
    _constants: Vec<Arc<Constant>>,
    _held: Held,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for buffer in self.slots.iter().chain(&self.staging).chain([&self.params]) {
            buffer.destroy();
        }
        if self.gpu.status.lost().is_none() {
            // Lets the driver free the memory now instead of at the next run.
            let _ = self.gpu.poll(wgpu::PollType::Poll);
        }
    }
}

impl Prepared {
    /// Bytes beside slots and constants: staging and parameters.
    pub fn extra_bytes(gpu: &Gpu, recording: &Recording) -> u64 {
        downloads(recording).map(|(_, bytes)| bytes).sum::<u64>() + param_offsets(gpu, recording).1
    }

    /// Allocates, uploads constants and parameters, compiles what is not compiled yet.
    pub fn new(
        gpu: &Arc<Gpu>,
        recorded: &Arc<Recorded>,
        wait: Duration,
    ) -> Result<Self, EngineError> {
        let recording = &recorded.recording;
        let pipelines = pipelines(gpu, recording)?;
        let need_bytes = recorded.plan.peak_bytes() + recording.constant_bytes();
        let held = gpu
            .ledger
            .hold(recorded.plan.peak_bytes() + Self::extra_bytes(gpu, recording));
        gpu.scoped("preparing buffers", need_bytes, || {
            let buffer = |label, size, usage| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let slot_usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC;
            let slots: Vec<_> = recording
                .slot_bytes
                .iter()
                .map(|bytes| buffer("slot", *bytes, slot_usage))
                .collect();
            let staging_usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let staging = downloads(recording)
                .map(|(_, bytes)| buffer("staging", bytes, staging_usage))
                .collect();
            let (offsets, params_bytes) = param_offsets(gpu, recording);
            let params = buffer(
                "params",
                params_bytes,
                wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            );
            gpu.queue
                .write_buffer(&params, 0, &param_block(recording, &offsets, params_bytes));
            let constants = gpu.constants.upload(gpu, &recording.constants, wait)?;
            let steps = recording.dispatches().zip(pipelines).zip(&offsets);
            let steps = steps.map(|((step, pipeline), offset)| {
                let bind_group =
                    bind_group(gpu, step, &pipeline, &slots, &constants, &params, *offset);
                Ready {
                    pipeline,
                    bind_group,
                    groups: step.groups,
                }
            });
            let steps = steps.collect();
            let submits = cut(
                recording.dispatches().map(|step| step.flops),
                flops_per_submit(gpu),
            );
            Ok(Prepared {
                gpu: gpu.clone(),
                recorded: recorded.clone(),
                slots,
                staging,
                steps,
                submits,
                params,
                _constants: constants,
                _held: held,
            })
        })
    }
}

/// Output index and padded bytes of each download, in order.
pub(super) fn downloads(recording: &Recording) -> impl Iterator<Item = (usize, u64)> {
    recording.steps.iter().filter_map(|step| match step {
        Step::Download { slot, spec, .. } => Some((*slot, round_up(spec.bytes()))),
        _ => None,
    })
}

/// The pipeline of each dispatch; the missing ones are compiled on all cores.
fn pipelines(gpu: &Gpu, recording: &Recording) -> Result<Vec<Arc<Pipeline>>, EngineError> {
    let keys: Vec<Key> = recording.dispatches().map(Key::of).collect();
    let mut distinct: Vec<&Key> = Vec::new();
    for key in &keys {
        if !distinct.contains(&key) {
            distinct.push(key);
        }
    }
    distinct
        .par_iter()
        .map(|key| gpu.pipelines.get(gpu, key))
        .collect::<Result<Vec<_>, _>>()?;
    keys.iter().map(|key| gpu.pipelines.get(gpu, key)).collect()
}

/// Where each dispatch's uniform block starts in the parameter buffer, and the buffer's size.
fn param_offsets(gpu: &Gpu, recording: &Recording) -> (Vec<u64>, u64) {
    let mut end = 0;
    let offsets = recording.dispatches().map(|step| {
        let start = end;
        end += (4 * step.params.len() as u64).next_multiple_of(gpu.uniform_align.max(16));
        start
    });
    let offsets = offsets.collect();
    (offsets, end.max(16))
}

fn param_block(recording: &Recording, offsets: &[u64], bytes: u64) -> Vec<u8> {
    let mut block = vec![0; bytes as usize];
    for (step, offset) in recording.dispatches().zip(offsets) {
        let words: &[u8] = bytemuck::cast_slice(&step.params);
        block[*offset as usize..][..words.len()].copy_from_slice(words);
    }
    block
}

fn bind_group(
    gpu: &Gpu,
    step: &DispatchStep,
    pipeline: &Pipeline,
    slots: &[wgpu::Buffer],
    constants: &[Arc<Constant>],
    params: &wgpu::Buffer,
    offset: u64,
) -> wgpu::BindGroup {
    let range = |buffer, offset, bytes| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset,
            size: std::num::NonZeroU64::new(bytes),
        })
    };
    let mut resources: Vec<_> = step
        .places
        .iter()
        .map(|place| match place {
            Place::Read { slot, bytes } | Place::Write { slot, bytes } => {
                range(&slots[*slot], 0, *bytes)
            }
            Place::Constant { index } => constants[*index].buffer.as_entire_binding(),
        })
        .collect();
    if !step.params.is_empty() {
        resources.push(range(params, offset, 4 * step.params.len() as u64));
    }
    let entries: Vec<_> = resources
        .into_iter()
        .zip(0..)
        .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
        .collect();
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(&step.layer),
        layout: &pipeline.layout,
        entries: &entries,
    })
}

/// Floating-point operations that the device does in about [`SUBMIT_S`], guessed low from its kind.
fn flops_per_submit(gpu: &Gpu) -> u64 {
    let per_second = match gpu.info.device_type {
        wgpu::DeviceType::DiscreteGpu => 4e12,
        wgpu::DeviceType::IntegratedGpu
        | wgpu::DeviceType::VirtualGpu
        | wgpu::DeviceType::Other => 3e11,
        wgpu::DeviceType::Cpu => 2e10,
    };
    (per_second * SUBMIT_S) as u64
}

/// Cuts dispatches into submits of at most `flops_max` each, but at least one dispatch.
fn cut(flops: impl Iterator<Item = u64>, flops_max: u64) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (index, flops) in flops.enumerate() {
        match ranges.last_mut() {
            Some(range) if sum + flops <= flops_max && range.len() < SUBMIT_DISPATCHES_MAX => {
                range.end = index + 1;
                sum += flops;
            }
            _ => {
                ranges.push(index..index + 1);
                sum = flops;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submits_hold_at_most_the_flops_and_at_least_one_dispatch() {
        assert_eq!(
            cut([4, 4, 4, 20, 1, 1].into_iter(), 10),
            [0..2, 2..3, 3..4, 4..6]
        );
        assert_eq!(cut(std::iter::empty(), 10), Vec::<Range<usize>>::new());
        let ranges = cut(std::iter::repeat_n(0, 1200), 10);
        assert_eq!(ranges, [0..512, 512..1024, 1024..1200]);
    }
}
