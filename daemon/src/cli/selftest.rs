//! `selftest`: every kernel against its plain twin, then golden files. One line each.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cleanplate_engine::{Backend, BackendChoice, DeviceInfo, EngineError, Graph};
use cleanplate_kernels::op::Case;
use cleanplate_kernels::{Data, KERNELS, Tensor, TensorRef};
use cleanplate_models::golden;
use serde::Serialize;

use super::args::{Place, Selftest};
use super::{load, open, print_json};
use crate::telemetry::escaped;

#[derive(Serialize)]
struct KernelLine {
    kernel: &'static str,
    case: String,
    max_abs_error: f64,
    tolerance: f64,
    detail: String,
    pass: bool,
}

#[derive(Serialize)]
struct GoldenReport {
    file: PathBuf,
    case: String,
    tensor: String,
    max_abs_error: f64,
    tolerance: f64,
    detail: String,
    pass: bool,
}

#[derive(Serialize)]
struct Report {
    device: DeviceInfo,
    kernels: Vec<KernelLine>,
    golden: Vec<GoldenReport>,
    failed: usize,
    pass: bool,
}

/// Runs all tests and reports; exit code 1 on any miss.
pub fn run(args: &Selftest) -> anyhow::Result<ExitCode> {
    let config = load(&Place::default(), Vec::new())?;
    let backend = open::device(&config, BackendChoice::from(args.backend))?;
    let device = backend.device();
    let say = |line: String| {
        let line = escaped(&line);
        if args.output.json {
            eprintln!("{line}")
        } else {
            println!("{line}")
        }
    };
    say(format!(
        "device: {} ({}, {}, {})",
        device.name, device.backend, device.kind, device.driver
    ));
    let mut report = Report {
        device,
        kernels: Vec::new(),
        golden: Vec::new(),
        failed: 0,
        pass: true,
    };
    for kernel in KERNELS {
        for case in (kernel.cases)() {
            let line = kernel_case(kernel.name, &case, &*backend);
            say(format!(
                "{} {:17} {:40} {:9.2e} <= {:8.1e} {}",
                word(line.pass),
                line.kernel,
                line.case,
                line.max_abs_error,
                line.tolerance,
                line.detail
            ));
            report.kernels.push(line);
        }
    }
    for file in golden_files(&args.golden)? {
        let lines = golden::check(&file, &*backend).with_context(|| file.display().to_string())?;
        for line in lines {
            say(format!(
                "{} golden {:8} {:20} {:9.2e} <= {:8.1e} {}",
                word(line.pass),
                line.case,
                line.tensor,
                line.max_abs_error,
                line.tolerance,
                line.detail
            ));
            let golden::GoldenLine {
                case,
                tensor,
                max_abs_error,
                tolerance,
                detail,
                pass,
            } = line;
            report.golden.push(GoldenReport {
                file: file.clone(),
                case,
                tensor,
                max_abs_error,
                tolerance,
                detail,
                pass,
            });
        }
    }
    report.failed = report.kernels.iter().filter(|line| !line.pass).count()
        + report.golden.iter().filter(|line| !line.pass).count();
    report.pass = report.failed == 0;
    say(format!(
        "{} kernel cases, {} golden tensors, {} failed",
        report.kernels.len(),
        report.golden.len(),
        report.failed
    ));
    if args.output.json {
        print_json(&report)?;
    }
    Ok(if report.pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn word(pass: bool) -> &'static str {
    if pass { "ok  " } else { "FAIL" }
}

/// One case as a graph of one operation.
fn kernel_case(kernel: &'static str, case: &Case, backend: &dyn Backend) -> KernelLine {
    let tolerance = f64::from(case.tolerance.absolute);
    let line = |max_abs_error, detail: String, pass| KernelLine {
        kernel,
        case: case.name.clone(),
        max_abs_error,
        tolerance,
        detail,
        pass,
    };
    let got = match run_case(case, backend) {
        Ok(got) => got,
        Err(error) => return line(f64::INFINITY, error.to_string(), false),
    };
    let inputs: Vec<TensorRef<'_>> = case.inputs.iter().map(Tensor::view).collect();
    let want = case.op.reference(&inputs);
    if got.len() != want.len() {
        return line(
            f64::INFINITY,
            format!("{} outputs, {} wanted", got.len(), want.len()),
            false,
        );
    }
    let (mut worst, mut outside) = (0.0f64, 0usize);
    for (got, want) in got.iter().zip(&want) {
        match compare(got, want, f64::from(case.tolerance.relative), tolerance) {
            Some((error, out)) => (worst, outside) = (worst.max(error), outside + out),
            None => {
                return line(
                    f64::INFINITY,
                    format!("output is {:?}, {:?} wanted", got.shape, want.shape),
                    false,
                );
            }
        }
    }
    let detail = if outside > 0 {
        format!(
            "{outside} elements outside of the tolerance ({})",
            case.tolerance.why
        )
    } else {
        String::new()
    };
    line(worst, detail, outside == 0)
}

fn run_case(case: &Case, backend: &dyn Backend) -> Result<Vec<Tensor>, EngineError> {
    let mut graph = Graph::new();
    let spec = |tensor: &Tensor| cleanplate_kernels::TensorSpec {
        dtype: tensor.dtype(),
        shape: tensor.shape.clone(),
    };
    let inputs: Vec<_> = case
        .inputs
        .iter()
        .map(|tensor| graph.input(spec(tensor)))
        .collect();
    for id in graph.add_multi(&case.name, Arc::clone(&case.op), &inputs)? {
        graph.output(id);
    }
    let views: Vec<TensorRef<'_>> = case.inputs.iter().map(Tensor::view).collect();
    backend.compile(&graph)?.run(&views)
}

/// Largest absolute difference and the number of elements outside of the tolerance; `None` when the shapes differ.
fn compare(got: &Tensor, want: &Tensor, relative: f64, absolute: f64) -> Option<(f64, usize)> {
    if got.shape != want.shape {
        return None;
    }
    let (got, want) = (numbers(&got.data), numbers(&want.data));
    let (mut worst, mut outside) = (0.0f64, 0);
    for (got, want) in got.iter().zip(&want) {
        let error = (got - want).abs();
        outside += usize::from(error.is_nan() || error > absolute + relative * want.abs());
        worst = if error.is_nan() {
            f64::INFINITY
        } else {
            worst.max(error)
        };
    }
    Some((worst, outside))
}

fn numbers(data: &Data) -> Vec<f64> {
    match data {
        Data::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::U8(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::U32(values) => values.iter().map(|value| f64::from(*value)).collect(),
    }
}

fn golden_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
            let mut found: Vec<PathBuf> = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()
                .context("reading a folder")?;
            found.retain(|file| {
                let name = file.to_string_lossy();
                name.ends_with(".safetensors") || name.ends_with(".safetensors.gz")
            });
            found.sort();
            if found.is_empty() {
                bail!(
                    "{}: no .safetensors or .safetensors.gz file in it",
                    path.display()
                );
            }
            files.extend(found);
        } else {
            files.push(Path::new(path).to_path_buf());
        }
    }
    Ok(files)
}
