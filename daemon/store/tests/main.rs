//! The store between real processes: killed, stopped, side by side.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

mod kill;
mod leases;
