//! GPU strategy: one dispatch per step of the multigrid cycle, all grids in three scratch buffers.

use super::levels::{CYCLES, SWEEPS, SWEEPS_COARSEST, sizes};
use super::{NAME, Poisson};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

const CELLS: usize = 0;
const RIGHT: usize = 1;
const CORRECTION: usize = 2;
const STEPS: [&str; 6] = [
    "CLASSIFY", "FINISH", "PROLONG", "RESTRICT", "SETUP", "SWEEP",
];

fn variant(step: &'static str) -> Variant {
    let defines = vec![(step, String::new())];
    Variant {
        kernel: NAME,
        strategy: "multigrid",
        template: include_str!("multigrid.wgsl"),
        defines,
        subgroups: false,
    }
}

/// A grid: its place among the cells and its size.
#[derive(Clone, Copy)]
struct Grid {
    offset: usize,
    height: usize,
    width: usize,
}

struct Recorder<'a> {
    soft: f32,
    caps: &'a Caps,
    dispatches: Vec<Dispatch>,
}

impl Recorder<'_> {
    /// Adds a step that writes `own`, reading `other`.
    fn step(
        &mut self,
        step: &'static str,
        own: Grid,
        other: Grid,
        parity: u32,
        bindings: Vec<Binding>,
    ) -> Result<(), KernelError> {
        let sizes = [
            own.height,
            own.width,
            own.offset,
            other.height,
            other.width,
            other.offset,
        ]
        .map(word);
        let params = sizes
            .into_iter()
            .chain([parity, self.soft.to_bits()])
            .collect();
        let groups = spread(
            NAME,
            (own.height * own.width).div_ceil(64) as u64,
            self.caps,
        )?;
        self.dispatches.push(Dispatch {
            variant: variant(step),
            bindings,
            params,
            groups,
        });
        Ok(())
    }

    fn sweeps(&mut self, grid: Grid, count: usize) -> Result<(), KernelError> {
        for pass in 0..2 * count as u32 {
            let bindings = vec![
                Binding::ScratchRead(CELLS),
                Binding::ScratchRead(RIGHT),
                Binding::Scratch(CORRECTION),
            ];
            self.step("SWEEP", grid, grid, pass % 2, bindings)?;
        }
        Ok(())
    }

    fn cycle(&mut self, grids: &[Grid]) -> Result<(), KernelError> {
        let Some((coarsest, finer)) = grids.split_last() else {
            return Ok(());
        };
        for pair in grids.windows(2) {
            self.sweeps(pair[0], SWEEPS)?;
            let bindings = vec![
                Binding::ScratchRead(CELLS),
                Binding::Scratch(RIGHT),
                Binding::Scratch(CORRECTION),
            ];
            self.step("RESTRICT", pair[1], pair[0], 0, bindings)?;
        }
        self.sweeps(*coarsest, SWEEPS_COARSEST)?;
        for (i, grid) in finer.iter().enumerate().rev() {
            let bindings = vec![Binding::ScratchRead(CELLS), Binding::Scratch(CORRECTION)];
            self.step("PROLONG", *grid, grids[i + 1], 0, bindings)?;
            self.sweeps(*grid, SWEEPS)?;
        }
        Ok(())
    }
}

pub(super) fn program(
    op: &Poisson,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let dims = inputs[2].shape.dims();
    let mut grids: Vec<Grid> = Vec::new();
    let mut cells = 0;
    for (height, width) in sizes(dims[0], dims[1]) {
        grids.push(Grid {
            offset: cells,
            height,
            width,
        });
        cells += height * width;
    }
    let scratch_bytes = vec![4 * cells as u64, 16 * cells as u64, 16 * cells as u64];
    check_bindings(NAME, inputs, &scratch_bytes, caps)?;
    let mut recorder = Recorder {
        soft: op.soft.unwrap_or(0.0),
        caps,
        dispatches: Vec::new(),
    };
    let all = [
        Binding::Scratch(CELLS),
        Binding::Scratch(RIGHT),
        Binding::Scratch(CORRECTION),
    ];
    recorder.step(
        "SETUP",
        grids[0],
        grids[0],
        0,
        (0..3).map(Binding::Input).chain(all).collect(),
    )?;
    for pair in grids.windows(2) {
        recorder.step(
            "CLASSIFY",
            pair[1],
            pair[0],
            0,
            vec![Binding::Scratch(CELLS)],
        )?;
    }
    for _ in 0..CYCLES {
        recorder.cycle(&grids)?;
    }
    let last = vec![
        Binding::Input(0),
        Binding::ScratchRead(CELLS),
        Binding::ScratchRead(CORRECTION),
        Binding::Output(0),
    ];
    recorder.step("FINISH", grids[0], grids[0], 0, last)?;
    Ok(Program {
        dispatches: recorder.dispatches,
        scratch_bytes,
    })
}

pub(super) fn variants() -> Vec<Variant> {
    STEPS.into_iter().map(variant).collect()
}
