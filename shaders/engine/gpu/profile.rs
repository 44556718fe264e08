//! Time of each dispatch: GPU timestamps round one pass per dispatch, or the host's clock where there are none.

use std::ops::Range;
use std::time::{Duration, Instant};

use cleanplate_kernels::TensorRef;

use super::prepared::Prepared;
use crate::error::EngineError;

/// A row: layer and variant, microseconds, floating-point operations.
type Row = (String, f64, u64);

impl Prepared {
    /// Runs once, timing every dispatch. `inputs` have been checked.
    pub fn profile(
        &mut self,
        inputs: &[TensorRef<'_>],
        wait: Duration,
    ) -> Result<Vec<Row>, EngineError> {
        let this = &*self;
        this.gpu
            .scoped("a profile", this.recorded.plan.peak_bytes(), || {
                this.upload(inputs);
                let mut micros: Vec<f64> = Vec::with_capacity(this.steps.len());
                for range in &this.submits {
                    micros.extend(if this.gpu.timestamps {
                        this.by_timestamps(range, wait)?
                    } else {
                        this.by_host_clock(range, wait)?
                    });
                }
                let clock = if this.gpu.timestamps {
                    ""
                } else {
                    " (host clock)"
                };
                let row = |(step, micros): (&crate::recording::DispatchStep, f64)| {
                    (
                        format!("{}  {}{clock}", step.layer, step.variant.key()),
                        micros,
                        step.flops,
                    )
                };
                Ok(this
                    .recorded
                    .recording
                    .dispatches()
                    .zip(micros)
                    .map(row)
                    .collect())
            })
    }

    fn by_timestamps(&self, range: &Range<usize>, wait: Duration) -> Result<Vec<f64>, EngineError> {
        let (device, count) = (&self.gpu.device, 2 * range.len() as u32);
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let size = 8 * u64::from(count);
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("profile"),
        });
        for (index, query) in range.clone().zip((0..count).step_by(2)) {
            let timestamps = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(query),
                end_of_pass_write_index: Some(query + 1),
            };
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(timestamps),
            });
            self.encode(&mut pass, index);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, size);
        encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, .., |_| ());
        self.gpu
            .wait(self.gpu.queue.submit([encoder.finish()]), wait, "a profile")?;
        let view = staging
            .get_mapped_range(..)
            .map_err(|e| EngineError::Device {
                during: "a profile".into(),
                detail: e.to_string(),
            })?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let micros_per_tick = f64::from(self.gpu.queue.get_timestamp_period()) / 1e3;
        Ok(ticks
            .chunks_exact(2)
            .map(|pair| pair[1].saturating_sub(pair[0]) as f64 * micros_per_tick)
            .collect())
    }

    fn by_host_clock(&self, range: &Range<usize>, wait: Duration) -> Result<Vec<f64>, EngineError> {
        let one = |index: usize| {
            let start = Instant::now();
            self.gpu
                .wait(self.submit(&(index..index + 1)), wait, "a profile")?;
            Ok(start.elapsed().as_secs_f64() * 1e6)
        };
        range.clone().map(one).collect()
    }
}
