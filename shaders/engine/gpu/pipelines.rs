//! Compute pipelines: one per shader variant, compiled once, cached on disk where the driver can.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cleanplate_kernels::program::Variant;
use cleanplate_kernels::variant::expand;

use super::cache_file::CacheFile;
use super::device::Gpu;
use crate::EngineOptions;
use crate::error::EngineError;
use crate::recording::{DispatchStep, Place};

/// A pipeline with the layout of its one bind group.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// A variant and how its bindings are used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    variant: Variant,
    bindings: Vec<wgpu::BufferBindingType>,
}

impl Key {
    pub fn of(step: &DispatchStep) -> Self {
        let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
        let mut bindings: Vec<_> = step
            .places
            .iter()
            .map(|place| storage(!matches!(place, Place::Write { .. })))
            .collect();
        if !step.params.is_empty() {
            bindings.push(wgpu::BufferBindingType::Uniform);
        }
        Key {
            variant: step.variant.clone(),
            bindings,
        }
    }
}

type Entry = Arc<Mutex<Option<Arc<Pipeline>>>>;

/// The pipelines of one device.
#[derive(Debug)]
pub(super) struct Pipelines {
    checked: bool,
    entries: Mutex<HashMap<Key, Entry>>,
    compiled: AtomicUsize,
    file: Option<CacheFile>,
}

impl Pipelines {
    pub fn new(device: &wgpu::Device, info: &wgpu::AdapterInfo, options: &EngineOptions) -> Self {
        Pipelines {
            checked: options.checked_shaders,
            entries: Mutex::default(),
            compiled: AtomicUsize::new(0),
            file: options
                .cache_dir
                .as_deref()
                .and_then(|dir| CacheFile::open(device, info, dir)),
        }
    }

    /// How many pipelines were compiled so far.
    pub fn compiled(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// The pipeline of a key. Threads that ask for one key at once wait for a single compilation; a failure is not
    /// remembered.
    pub fn get(&self, gpu: &Gpu, key: &Key) -> Result<Arc<Pipeline>, EngineError> {
        let entry = self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key.clone())
            .or_default()
            .clone();
        let mut slot = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = &*slot {
            return Ok(pipeline.clone());
        }
        let pipeline = Arc::new(self.compile(gpu, key)?);
        self.compiled.fetch_add(1, Ordering::Relaxed);
        *slot = Some(pipeline.clone());
        Ok(pipeline)
    }

    /// Writes the driver's cache to disk if pipelines were compiled since the last time.
    pub fn save(&self) {
        if let Some(file) = &self.file {
            file.save(self.compiled());
        }
    }

    fn compile(&self, gpu: &Gpu, key: &Key) -> Result<Pipeline, EngineError> {
        let name = key.variant.key();
        let source = expand(&key.variant)?;
        gpu.scoped(&format!("compiling shader {name}"), 0, || {
            let module = wgpu::ShaderModuleDescriptor {
                label: Some(&name),
                source: wgpu::ShaderSource::Wgsl(Cow::Owned(source)),
            };
            let trusted = key.variant.is_trusted();
            let module = if self.checked || !trusted {
                gpu.device.create_shader_module(module)
            } else {
                // SAFETY: the text comes from this project's own kernels, whose tests run in the checked mode too; text
                // from outside is told apart by its variant.
                unsafe {
                    gpu.device.create_shader_module_trusted(
                        module,
                        wgpu::ShaderRuntimeChecks::unchecked(),
                    )
                }
            };
            let entries: Vec<_> = key
                .bindings
                .iter()
                .zip(0..)
                .map(|(ty, binding)| layout_entry(binding, *ty))
                .collect();
            let layout = gpu
                .device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                    label: Some(&name),
                    entries: &entries,
                });
            let pipeline_layout =
                gpu.device
                    .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                        label: Some(&name),
                        bind_group_layouts: &[Some(&layout)],
                        immediate_size: 0,
                    });
            let pipeline = gpu
                .device
                .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(&name),
                    layout: Some(&pipeline_layout),
                    module: &module,
                    entry_point: Some("main"),
                    compilation_options: wgpu::PipelineCompilationOptions {
                        zero_initialize_workgroup_memory: !trusted,
                        ..Default::default()
                    },
                    cache: self.file.as_ref().map(CacheFile::cache),
                });
            Ok(Pipeline { pipeline, layout })
        })
    }
}

fn layout_entry(binding: u32, ty: wgpu::BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}
