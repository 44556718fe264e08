//! `selftest`: every kernel against its plain twin, then golden files. One line each.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cleanplate_engine::{Backend, BackendChoice, DeviceInfo, EngineError, Graph};
use cleanplate_kernels::op::Case;
use cleanplate_kernels::{KERNELS, Tensor};
use cleanplate_models::golden::GoldenLine;
use cleanplate_models::registry;
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
    #[serde(flatten)]
    line: GoldenLine,
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
            say(line.shown());
            report.kernels.push(line);
        }
    }
    for file in golden_files(&args.golden)? {
        let lines =
            registry::check_golden(&file, &*backend).with_context(|| file.display().to_string())?;
        for line in lines {
            let file = file.clone();
            let report_line = GoldenReport { file, line };
            say(report_line.shown());
            report.golden.push(report_line);
        }
    }
    report.failed = report.kernels.iter().filter(|line| !line.pass).count()
        + report
            .golden
            .iter()
            .filter(|golden| !golden.line.pass)
            .count();
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

impl KernelLine {
    fn shown(&self) -> String {
        format!(
            "{} {:17} {:40} {:9.2e} <= {:8.1e} {}",
            word(self.pass),
            self.kernel,
            self.case,
            self.max_abs_error,
            self.tolerance,
            self.detail
        )
    }
}

impl GoldenReport {
    fn shown(&self) -> String {
        format!(
            "{} golden {:8} {:20} {:9.2e} <= {:8.1e} {}",
            word(self.line.pass),
            self.line.case,
            self.line.tensor,
            self.line.max_abs_error,
            self.line.tolerance,
            self.line.detail
        )
    }
}

fn word(pass: bool) -> &'static str {
    if pass { "ok  " } else { "FAIL" }
}

/// One case as a graph of one operation.
fn kernel_case(kernel: &'static str, case: &Case, backend: &dyn Backend) -> KernelLine {
    let (max_abs_error, miss) = match run_case(case, backend) {
        Ok(got) => {
            let verdict = case.check(&got, &case.want());
            (verdict.max_abs_error, verdict.miss)
        }
        Err(error) => (f64::INFINITY, Some(error.to_string())),
    };
    KernelLine {
        kernel,
        case: case.name.clone(),
        max_abs_error,
        tolerance: f64::from(case.tolerance.absolute),
        pass: miss.is_none(),
        detail: miss.unwrap_or_default(),
    }
}

fn run_case(case: &Case, backend: &dyn Backend) -> Result<Vec<Tensor>, EngineError> {
    let graph = Graph::single(&case.name, Arc::clone(&case.op), &case.specs())?;
    backend.compile(&graph)?.run(&case.views())
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
