//! Counters and histograms in the Prometheus text format.
//!
//! Small on purpose: a family is a name, a help text and values by label; labels come from fixed sets, never from clients.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use cleanplate_basics::lock;

/// Every family the daemon exports.
pub mod names {
    /// Counter by `route` and `status`.
    pub const REQUESTS: &str = "cleanplate_requests_total";
    /// Counter by `type`: the name of the error code.
    pub const ERRORS: &str = "cleanplate_errors_total";
    /// Histogram by `route`.
    pub const REQUEST_SECONDS: &str = "cleanplate_request_duration_seconds";
    /// Counter by `why`: connections that were cut because their client kept others waiting.
    pub const CONNECTIONS_CUT: &str = "cleanplate_connections_cut_total";
    /// Counter: connections that found no place.
    pub const CONNECTIONS_REFUSED: &str = "cleanplate_connections_refused_total";
    /// Counter by `outcome`: completed or failed.
    pub const JOBS: &str = "cleanplate_jobs_total";
    /// Histogram: time a job waited.
    pub const QUEUE_SECONDS: &str = "cleanplate_queue_wait_seconds";
    /// Histogram by `stage`.
    pub const STAGE_SECONDS: &str = "cleanplate_stage_duration_seconds";
    /// Counter: credits charged.
    pub const CREDITS: &str = "cleanplate_credits_charged_total";
    /// Counter: device losses.
    pub const DEVICE_LOST: &str = "cleanplate_device_lost_total";
    /// Counter: results removed after their time.
    pub const SWEPT: &str = "cleanplate_results_swept_total";
    /// Counter: broken rules found by the periodic check.
    pub const BREACHES: &str = "cleanplate_invariant_breaches_total";
    /// Counter by `folder` and `outcome`: pairs of hot folders that ended.
    pub const FOLDER_PAIRS: &str = "cleanplate_folder_pairs_total";
    /// Gauge by `folder` and `state`: photos in a hot folder that have not ended.
    pub const FOLDER_FILES: &str = "cleanplate_folder_photos";
    /// Gauge by `folder`: 1 while a hot folder takes nothing.
    pub const FOLDER_PAUSED: &str = "cleanplate_folder_paused";
    /// Gauge: jobs waiting.
    pub const QUEUE_DEPTH: &str = "cleanplate_queue_depth";
    /// Gauge: jobs on the device.
    pub const RUNNING: &str = "cleanplate_jobs_in_progress";
    /// Counter: times a network ran.
    pub const NETWORK_RUNS: &str = "cleanplate_network_runs_total";
    /// Counter: crops that went through networks.
    pub const NETWORK_CROPS: &str = "cleanplate_network_crops_total";
    /// Gauge by `device`: 1 when it is open.
    pub const DEVICE_UP: &str = "cleanplate_device_up";
    /// Gauge by `device`: bytes held on it.
    pub const DEVICE_BYTES: &str = "cleanplate_device_memory_bytes";
    /// Gauge: 1 when service calls are taken.
    pub const READY: &str = "cleanplate_ready";
    /// Counter by `outcome`: deliveries that were taken, attempts that failed, webhooks that were given up.
    pub const WEBHOOKS: &str = "cleanplate_webhooks_total";
    /// Gauge: bytes free on the volume of the data folder.
    pub const DISK_FREE: &str = "cleanplate_disk_free_bytes";
    /// Gauge: bytes of the database file.
    pub const DATABASE_BYTES: &str = "cleanplate_database_bytes";
    /// Gauge: bytes of the database's write-ahead log.
    pub const DATABASE_LOG_BYTES: &str = "cleanplate_database_log_bytes";
    /// Gauge, always 1, by `worker`, `role`, `version` and `device`: processes that share the store.
    pub const WORKER: &str = "cleanplate_worker_info";
    /// Gauge by `worker`: seconds since its last sign of life.
    pub const WORKER_SILENT: &str = "cleanplate_worker_silent_seconds";
    /// Gauge by `worker`: jobs that it has under way.
    pub const WORKER_JOBS: &str = "cleanplate_worker_jobs";
    /// Counter: processor time.
    pub const PROCESS_CPU: &str = "process_cpu_seconds_total";
    /// Gauge: resident memory.
    pub const PROCESS_RSS: &str = "process_resident_memory_bytes";
    /// Gauge: address space.
    pub const PROCESS_VIRTUAL: &str = "process_virtual_memory_bytes";
    /// Gauge: open files and connections.
    pub const PROCESS_FDS: &str = "process_open_fds";
    /// Gauge: most open files and connections.
    pub const PROCESS_FDS_MAX: &str = "process_max_fds";
    /// Gauge: threads.
    pub const PROCESS_THREADS: &str = "process_threads";
    /// Gauge: when the process started.
    pub const PROCESS_START: &str = "process_start_time_seconds";
    /// Gauge, always 1, by `version`.
    pub const BUILD: &str = "cleanplate_build_info";
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Histogram,
    Gauge,
}

const FAMILIES: &[(&str, Kind, &str)] = &[
    (
        names::REQUESTS,
        Kind::Counter,
        "HTTP requests by route and status.",
    ),
    (names::ERRORS, Kind::Counter, "Error replies by type."),
    (
        names::REQUEST_SECONDS,
        Kind::Histogram,
        "Time of HTTP requests.",
    ),
    (
        names::CONNECTIONS_CUT,
        Kind::Counter,
        "Connections cut: idle, a late head, a reply not taken, crowded out.",
    ),
    (
        names::CONNECTIONS_REFUSED,
        Kind::Counter,
        "Connections beyond the most in all or of an address.",
    ),
    (names::JOBS, Kind::Counter, "Jobs that ended."),
    (
        names::QUEUE_SECONDS,
        Kind::Histogram,
        "Time jobs waited for the device.",
    ),
    (
        names::STAGE_SECONDS,
        Kind::Histogram,
        "Time of each stage of a job.",
    ),
    (names::CREDITS, Kind::Counter, "Credits charged."),
    (names::DEVICE_LOST, Kind::Counter, "Losses of the device."),
    (
        names::SWEPT,
        Kind::Counter,
        "Results removed after their time.",
    ),
    (
        names::BREACHES,
        Kind::Counter,
        "Broken rules found by the periodic check of the books.",
    ),
    (
        names::FOLDER_PAIRS,
        Kind::Counter,
        "Pairs of hot folders that ended: done, duplicate or failed.",
    ),
    (
        names::FOLDER_FILES,
        Kind::Gauge,
        "Photos in hot folders: settling, waiting for a mask, ready, working.",
    ),
    (
        names::FOLDER_PAUSED,
        Kind::Gauge,
        "1 while a hot folder takes nothing.",
    ),
    (names::QUEUE_DEPTH, Kind::Gauge, "Jobs waiting."),
    (names::RUNNING, Kind::Gauge, "Jobs under way."),
    (
        names::NETWORK_RUNS,
        Kind::Counter,
        "Times a filling network ran since the device was opened.",
    ),
    (
        names::NETWORK_CROPS,
        Kind::Counter,
        "Crops that went through; more than runs where crops went together.",
    ),
    (names::DEVICE_UP, Kind::Gauge, "1 when the device is open."),
    (
        names::DEVICE_BYTES,
        Kind::Gauge,
        "Bytes held on the device for weights and plans.",
    ),
    (names::READY, Kind::Gauge, "1 when service calls are taken."),
    (
        names::WEBHOOKS,
        Kind::Counter,
        "Webhooks delivered or given up, and attempts that failed.",
    ),
    (
        names::DISK_FREE,
        Kind::Gauge,
        "Bytes free on the volume of the data folder.",
    ),
    (
        names::DATABASE_BYTES,
        Kind::Gauge,
        "Bytes of the database file.",
    ),
    (
        names::DATABASE_LOG_BYTES,
        Kind::Gauge,
        "Bytes of the database's write-ahead log.",
    ),
    (
        names::WORKER,
        Kind::Gauge,
        "Processes that share the store.",
    ),
    (
        names::WORKER_SILENT,
        Kind::Gauge,
        "Time since a process gave its last sign of life.",
    ),
    (
        names::WORKER_JOBS,
        Kind::Gauge,
        "Jobs that a process has under way.",
    ),
    (
        names::PROCESS_CPU,
        Kind::Counter,
        "Processor time of the process.",
    ),
    (
        names::PROCESS_RSS,
        Kind::Gauge,
        "Resident memory of the process.",
    ),
    (
        names::PROCESS_VIRTUAL,
        Kind::Gauge,
        "Address space of the process.",
    ),
    (
        names::PROCESS_FDS,
        Kind::Gauge,
        "Open files and connections.",
    ),
    (
        names::PROCESS_FDS_MAX,
        Kind::Gauge,
        "Most open files and connections.",
    ),
    (names::PROCESS_THREADS, Kind::Gauge, "Threads."),
    (
        names::PROCESS_START,
        Kind::Gauge,
        "When the process started, seconds since 1970.",
    ),
    (names::BUILD, Kind::Gauge, "Version of the daemon."),
];

/// Counters that are shown from the start, so that their first rise is one: an alert rule cannot see a series begin.
const FROM_ZERO: &[(&str, &[(&str, &str)])] = &[
    (names::JOBS, &[("outcome", "completed")]),
    (names::JOBS, &[("outcome", "failed")]),
    (names::CREDITS, &[]),
    (names::DEVICE_LOST, &[]),
    (names::SWEPT, &[]),
    (names::BREACHES, &[]),
    (names::CONNECTIONS_REFUSED, &[]),
    (names::WEBHOOKS, &[("outcome", "delivered")]),
    (names::WEBHOOKS, &[("outcome", "failed")]),
    (names::WEBHOOKS, &[("outcome", "given_up")]),
];

/// Upper bounds of histogram buckets in seconds.
const BUCKETS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
];

#[derive(Default, Clone)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

#[derive(Default)]
struct Values {
    numbers: BTreeMap<(&'static str, String), f64>,
    histograms: BTreeMap<(&'static str, String), Histogram>,
}

/// All metrics of the process.
#[derive(Default)]
pub struct Metrics(Mutex<Values>);

impl Metrics {
    /// Metrics in which nothing was counted yet.
    pub fn from_zero() -> Metrics {
        let metrics = Metrics::default();
        for (name, labels) in FROM_ZERO {
            metrics.add(name, labels, 0.0);
        }
        metrics
    }

    fn with<R>(&self, act: impl FnOnce(&mut Values) -> R) -> R {
        act(&mut lock(&self.0))
    }

    /// Adds to a counter.
    pub fn add(&self, name: &'static str, labels: &[(&str, &str)], by: f64) {
        self.with(|values| {
            *values
                .numbers
                .entry((name, render_labels(labels)))
                .or_default() += by
        });
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, labels: &[(&str, &str)], to: f64) {
        self.with(|values| {
            values.numbers.insert((name, render_labels(labels)), to);
        });
    }

    /// Sets a gauge for these labels, and forgets it for all others.
    pub fn replace(&self, name: &'static str, all: &[(Vec<(&str, &str)>, f64)]) {
        self.with(|values| {
            values.numbers.retain(|(family, _), _| *family != name);
            for (labels, to) in all {
                values.numbers.insert((name, render_labels(labels)), *to);
            }
        });
    }

    /// Notes a duration in seconds.
    pub fn observe(&self, name: &'static str, labels: &[(&str, &str)], seconds: f64) {
        self.with(|values| {
            let histogram = values
                .histograms
                .entry((name, render_labels(labels)))
                .or_default();
            for (count, bound) in histogram.counts.iter_mut().zip(BUCKETS) {
                *count += u64::from(seconds <= bound);
            }
            histogram.count += 1;
            histogram.sum += seconds;
        });
    }

    /// A counter over all its labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.with(|values| {
            values
                .numbers
                .iter()
                .filter(|((family, _), _)| *family == name)
                .map(|(_, value)| value)
                .sum()
        })
    }

    /// All families, text format 0.0.4.
    pub fn render(&self) -> String {
        self.with(|values| {
            let mut out = String::new();
            for (name, kind, help) in FAMILIES {
                let word = match kind {
                    Kind::Counter => "counter",
                    Kind::Histogram => "histogram",
                    Kind::Gauge => "gauge",
                };
                // Writing to a string cannot fail.
                let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {word}");
                for ((_, labels), value) in values
                    .numbers
                    .iter()
                    .filter(|((family, _), _)| family == name)
                {
                    let _ = writeln!(out, "{name}{} {value}", braced(labels, ""));
                }
                for ((_, labels), histogram) in values
                    .histograms
                    .iter()
                    .filter(|((family, _), _)| family == name)
                {
                    write_histogram(&mut out, name, labels, histogram);
                }
            }
            out
        })
    }
}

fn write_histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    for (count, bound) in histogram.counts.iter().zip(BUCKETS) {
        let _ = writeln!(
            out,
            "{name}_bucket{} {count}",
            braced(labels, &format!("le=\"{bound}\""))
        );
    }
    let _ = writeln!(
        out,
        "{name}_bucket{} {}",
        braced(labels, "le=\"+Inf\""),
        histogram.count
    );
    let _ = writeln!(out, "{name}_sum{} {}", braced(labels, ""), histogram.sum);
    let _ = writeln!(
        out,
        "{name}_count{} {}",
        braced(labels, ""),
        histogram.count
    );
}

fn render_labels(labels: &[(&str, &str)]) -> String {
    let escape = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
        .collect::<Vec<_>>()
        .join(",")
}

fn braced(labels: &str, more: &str) -> String {
    match (labels.is_empty(), more.is_empty()) {
        (true, true) => String::new(),
        (false, false) => format!("{{{labels},{more}}}"),
        _ => format!("{{{labels}{more}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_format() {
        let metrics = Metrics::default();
        metrics.add(
            names::REQUESTS,
            &[("route", "removal"), ("status", "200")],
            1.0,
        );
        metrics.add(
            names::REQUESTS,
            &[("route", "removal"), ("status", "200")],
            2.0,
        );
        metrics.set(names::QUEUE_DEPTH, &[], 4.0);
        metrics.observe(names::STAGE_SECONDS, &[("stage", "a\"b")], 0.02);
        let text = metrics.render();
        for line in [
            "# TYPE cleanplate_requests_total counter",
            "cleanplate_requests_total{route=\"removal\",status=\"200\"} 3",
            "cleanplate_queue_depth 4",
            "cleanplate_stage_duration_seconds_bucket{stage=\"a\\\"b\",le=\"0.01\"} 0",
            "cleanplate_stage_duration_seconds_bucket{stage=\"a\\\"b\",le=\"0.025\"} 1",
            "cleanplate_stage_duration_seconds_bucket{stage=\"a\\\"b\",le=\"+Inf\"} 1",
            "cleanplate_stage_duration_seconds_sum{stage=\"a\\\"b\"} 0.02",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} not in\n{text}"
            );
        }
    }

    #[test]
    fn every_name_has_a_family() {
        let text = Metrics::default().render();
        for name in [
            names::REQUESTS,
            names::ERRORS,
            names::JOBS,
            names::BREACHES,
            names::READY,
            names::BUILD,
            names::SWEPT,
        ] {
            assert!(text.contains(&format!("# TYPE {name} ")));
        }
    }
}
