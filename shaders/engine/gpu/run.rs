//! One run: upload, submits with bounded waits, download.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cleanplate_kernels::{DType, Data, Tensor, TensorRef, TensorSpec};

use super::prepared::{Prepared, downloads};
use crate::error::EngineError;
use crate::recording::Step;

/// Submits that may be unfinished at once: the device has work while the next one is encoded.
const IN_FLIGHT_MAX: usize = 2;

/// Result of a mapping that was asked for.
type Mapping = Receiver<Result<(), wgpu::BufferAsyncError>>;

impl Prepared {
    /// Runs once. `inputs` have been checked.
    pub fn run(
        &mut self,
        inputs: &[TensorRef<'_>],
        watch: &dyn Fn(f32) -> bool,
        wait: Duration,
    ) -> Result<Vec<Tensor>, EngineError> {
        let this = &*self;
        this.gpu
            .scoped("a run", this.recorded.plan.peak_bytes(), || {
                this.upload(inputs);
                let mut in_flight: VecDeque<wgpu::SubmissionIndex> = VecDeque::new();
                for (index, range) in this.submits.iter().enumerate() {
                    if in_flight.len() >= IN_FLIGHT_MAX
                        && let Some(oldest) = in_flight.pop_front()
                    {
                        this.gpu.wait(oldest, wait, "a run")?;
                    }
                    // Submits are cut to take about as long.
                    let done = (index - in_flight.len()) as f32 / this.submits.len() as f32;
                    if watch(done) {
                        if let Some(last) = in_flight.pop_back() {
                            this.gpu.wait(last, wait, "a run")?;
                        }
                        return Err(EngineError::Cancelled);
                    }
                    in_flight.push_back(this.submit(range));
                }
                while let Some(oldest) = in_flight.pop_front() {
                    this.gpu.wait(oldest, wait, "a run")?;
                }
                this.download(wait)
            })
    }

    /// Queues the inputs' bytes for their slots.
    pub fn upload(&self, inputs: &[TensorRef<'_>]) {
        for step in &self.recorded.recording.steps {
            let Step::Upload { input, slot, .. } = step else {
                continue;
            };
            let bytes: &[u8] = match inputs[*input] {
                TensorRef::F32(_, values) => bytemuck::cast_slice(values),
                TensorRef::U32(_, values) => bytemuck::cast_slice(values),
                TensorRef::U8(_, values) => values,
            };
            // Copies are whole words; the tail of a byte tensor is padded.
            let (words, tail) = bytes.split_at(bytes.len() / 4 * 4);
            self.gpu.queue.write_buffer(&self.slots[*slot], 0, words);
            if !tail.is_empty() {
                let mut last = [0; 4];
                last[..tail.len()].copy_from_slice(tail);
                self.gpu
                    .queue
                    .write_buffer(&self.slots[*slot], words.len() as u64, &last);
            }
        }
    }

    pub fn submit(&self, range: &Range<usize>) -> wgpu::SubmissionIndex {
        let mut encoder = self
            .gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("run") });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for index in range.clone() {
            self.encode(&mut pass, index);
        }
        drop(pass);
        self.gpu.queue.submit([encoder.finish()])
    }

    /// Adds dispatch `index` to a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, index: usize) {
        let step = &self.steps[index];
        let [x, y, z] = step.groups;
        pass.set_pipeline(&step.pipeline.pipeline);
        pass.set_bind_group(0, &step.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Copies the outputs to host memory and reads them.
    pub fn download(&self, wait: Duration) -> Result<Vec<Tensor>, EngineError> {
        let mut encoder = self
            .gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                label: Some("download"),
            });
        let mut mappings: Vec<Mapping> = Vec::new();
        for (staging, (slot, bytes)) in self.staging.iter().zip(downloads(&self.recorded.recording))
        {
            encoder.copy_buffer_to_buffer(&self.slots[slot], 0, staging, 0, bytes);
            let (sender, receiver) = channel();
            // The receiver is gone only when the run has failed already.
            encoder.map_buffer_on_submit(staging, wgpu::MapMode::Read, .., move |result| {
                drop(sender.send(result))
            });
            mappings.push(receiver);
        }
        let submission = self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait(submission, wait, "reading back")?;
        let failed = |detail: String| EngineError::Device {
            during: "reading back".into(),
            detail,
        };
        let mut outputs = Vec::with_capacity(self.staging.len());
        let specs = self.recorded.recording.steps.iter().filter_map(|step| {
            if let Step::Download { spec, .. } = step {
                Some(spec)
            } else {
                None
            }
        });
        for ((staging, mapping), spec) in self.staging.iter().zip(&mappings).zip(specs) {
            match mapping.try_recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(failed(error.to_string())),
                Err(_) => return Err(failed("the buffer was not mapped".into())),
            }
            let view = staging
                .get_mapped_range(..)
                .map_err(|e| failed(e.to_string()))?;
            outputs.push(tensor(spec, &view));
            drop(view);
            staging.unmap();
        }
        Ok(outputs)
    }
}

/// A tensor from its bytes and their padding.
fn tensor(spec: &TensorSpec, bytes: &[u8]) -> Tensor {
    let bytes = &bytes[..spec.bytes() as usize];
    let data = match spec.dtype {
        DType::F32 => Data::F32(bytemuck::pod_collect_to_vec(bytes)),
        DType::U32 => Data::U32(bytemuck::pod_collect_to_vec(bytes)),
        DType::U8 => Data::U8(bytes.to_vec()),
    };
    Tensor {
        shape: spec.shape.clone(),
        data,
    }
}
