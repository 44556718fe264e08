use cleanplate_kernels::{KernelError, Op, Tensor, TensorRef};

use super::*;
use crate::plan::{Inputs, plan};

/// Hands out a fixed program.
#[derive(Debug)]
struct Fixed(Program);

impl Op for Fixed {
    fn kernel(&self) -> &'static str {
        "fixed"
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        Ok(vec![inputs[0].clone()])
    }
    fn flops(&self, _: &[TensorSpec]) -> u64 {
        100
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        vec![inputs[0].to_tensor()]
    }
    fn program(&self, _: &[TensorSpec], _: &Caps) -> Result<Program, KernelError> {
        Ok(self.0.clone())
    }
}

fn dispatch(bindings: Vec<Binding>) -> Dispatch {
    let variant = Variant {
        kernel: "fixed",
        strategy: "s",
        template: "",
        defines: vec![("N", "4".into())],
        subgroups: false,
    };
    Dispatch {
        variant,
        bindings,
        params: vec![1, 2, 3, 4, 5],
        groups: [2, 3, 1],
    }
}

fn recorded(dispatches: Vec<Dispatch>, scratch_bytes: Vec<u64>) -> Result<Recording, EngineError> {
    let mut graph = Graph::new();
    let x = graph.input(TensorSpec::u8(&[2, 5]));
    let program = Program {
        dispatches,
        scratch_bytes,
    };
    let y = graph.add("layer", Arc::new(Fixed(program.clone())), &[x])?;
    graph.output(y);
    let plan = plan(
        &graph,
        std::slice::from_ref(&program.scratch_bytes),
        Inputs::Uploaded,
    );
    record(&graph, &[program], &plan, &Caps::baseline())
}

#[test]
fn lists_uploads_dispatches_and_downloads() {
    let table = Arc::new(vec![1, 2, 3]);
    let constant = || Binding::Constant(table.clone());
    let first = dispatch(vec![Binding::Input(0), constant(), Binding::Scratch(0)]);
    let second = dispatch(vec![
        Binding::ScratchRead(0),
        constant(),
        Binding::Output(0),
    ]);
    let recording = recorded(vec![first, second], vec![40]).unwrap();
    assert_eq!(recording.constants.len(), 1);
    assert_eq!(recording.constant_bytes(), 16);
    let text = recording.to_string();
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("upload"))
        .collect();
    assert_eq!(
        lines,
        [
            "upload input 0 -> slot 1, 10 bytes",
            "layer  fixed.s N=4  2x3x1 groups  [2, 5] -> [2, 5]  slots r1 c0 w0",
            "layer  fixed.s N=4  2x3x1 groups  [2, 5] -> [2, 5]  slots r0 c0 w2",
            "download slot 2 -> output 0, U8 [2, 5]",
        ]
    );
    let step = recording.dispatches().next().unwrap();
    assert_eq!(step.params, [1, 2, 3, 4, 5, 0, 0, 0]);
    assert_eq!(step.flops, 50);
    assert_eq!(step.places[0], Place::Read { slot: 1, bytes: 16 });
}

#[test]
fn mistakes_of_kernels_are_refused() {
    let message = |d: Dispatch| recorded(vec![d], vec![16]).unwrap_err().to_string();
    let start = "graph: layer layer, shader fixed.s N=4: ";
    assert_eq!(
        message(dispatch(vec![Binding::Input(1)])),
        format!("{start}binding 0 (Input(1)) is not there")
    );
    assert_eq!(
        message(dispatch(vec![Binding::Input(0), Binding::ScratchRead(1)])),
        format!("{start}binding 1 (ScratchRead(1)) is not there")
    );
    assert!(
        message(dispatch(vec![Binding::Scratch(0), Binding::ScratchRead(0)]))
            .contains("bound for writing and once more")
    );
    for groups in [[0, 1, 1], [1, 70_000, 1]] {
        assert!(
            message(Dispatch {
                groups,
                ..dispatch(vec![])
            })
            .contains("the device takes 1 to 65535 per dimension")
        );
    }
}
