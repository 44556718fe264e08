//! Streams written by hand, hostile ones first.

use proptest::prelude::*;

use super::{Pickled, Value, load};
use crate::error::ImportError;
use crate::import::Limits;

fn read(stream: &[u8]) -> Result<Pickled, ImportError> {
    load(stream, &Limits::default())
}

#[track_caller]
fn refused_global(stream: &[u8], want: &str) {
    match read(stream) {
        Err(ImportError::Global { name, .. }) => assert_eq!(name, want),
        other => panic!("accepted or refused for another reason: {other:?}"),
    }
}

#[test]
fn code_execution_is_refused_by_name() {
    refused_global(b"cos\nsystem\n(S'true'\ntR.", "os system");
    refused_global(
        b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
        "posix system",
    );
    refused_global(
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        "builtins eval",
    );
    refused_global(b"\x80\x02c__builtin__\ngetattr\n.", "__builtin__ getattr");
    refused_global(
        b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93.",
        "subprocess Popen",
    );
    refused_global(b"(ios\nsystem\n.", "os system");
    refused_global(
        b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x01.\x85R.",
        "torch.storage _load_from_bytes",
    );
    refused_global(b"\x80\x02cos\nsys\x1b[2Jtem\n.", "os sys\\u{1b}[2Jtem");
}

#[test]
fn a_checkpoints_foreign_objects_are_passed_over() {
    let stream =
        b"\x80\x02}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n)\x81}(X\x01\x00\x00\x00aK\x01ubX\x01\x00\x00\x00bs.";
    let pickled = read(stream).expect("inert");
    assert!(matches!(pickled.get(pickled.root), Value::Dict(entries) if entries.len() == 1));
}

#[test]
fn shared_and_cyclic_structures_cost_nothing() {
    // A dictionary that holds itself.
    let pickled = read(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.").expect("cyclic");
    assert!(
        crate::import::checkpoint::tensors(&pickled, &Limits::default()).is_err(),
        "endless nesting is found"
    );
}

#[test]
fn repeated_copies_are_charged() {
    // A list of 200 pairs, then OrderedDict(list) again and again: memory would grow with the square of the stream.
    let mut stream = b"\x80\x02](".to_vec();
    for _ in 0..200 {
        stream.extend_from_slice(b"K\x01K\x01\x86");
    }
    stream.extend_from_slice(b"eq\x00");
    for _ in 0..100 {
        stream.extend_from_slice(b"ccollections\nOrderedDict\nh\x00\x85R");
    }
    stream.push(b'.');
    assert!(read(&stream).is_ok());
    let tight = Limits {
        pickle_values_max: 10_000,
        ..Limits::default()
    };
    assert!(matches!(
        load(&stream, &tight),
        Err(ImportError::Limit { .. })
    ));
}

#[test]
fn sizes_that_lie_are_errors() {
    for stream in [
        &b""[..],
        b".",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x80\x02\x8b\xff\xff\xff\xff.",
        b"\x80\x09N.",
        b"\x80\x02(t",
        b"\x80\x02t.",
        b"\x80\x02u.",
        b"\x80\x02h\x07.",
        b"\x80\x02q\x07.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02(0R.",
        b"\x80\x02NR.",
        b"\x80\x02N)R.",
        b"\x80\x02NQ.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ccollections\nOrderedDict",
        b"P0\n.",
    ] {
        match read(stream) {
            Ok(pickled) => assert!(
                stream == b"\x80\x02N)R.",
                "accepted {stream:?} as {:?}",
                pickled.get(pickled.root)
            ),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn numbers_are_exact() {
    let int = |stream: &[u8]| match read(stream).map(|p| format!("{:?}", p.get(p.root))) {
        Ok(text) => text,
        Err(e) => e.to_string(),
    };
    assert_eq!(int(b"K\xff."), "Int(255)");
    assert_eq!(int(b"M\x01\x02."), "Int(513)");
    assert_eq!(int(b"J\xff\xff\xff\xff."), "Int(-1)");
    assert_eq!(int(b"\x8a\x02\x00\x80."), "Int(-32768)");
    assert_eq!(int(b"\x8a\x00."), "Int(0)");
    assert_eq!(int(b"\x8a\x09123456789."), "Opaque");
}

proptest! {
    #[test]
    fn random_streams_never_panic(stream in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&stream);
    }

    #[test]
    fn random_opcodes_never_panic(ops in proptest::collection::vec(
        prop::sample::select(b"(012NKMJGXTUBC})]tledasuqrhjcRbQ.\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8e\x8f\x90\x91\x93\x94\x95\x01\x00\x02\n".to_vec()), 0..200))
    {
        if let Ok(pickled) = read(&ops) {
            let _ = crate::import::checkpoint::tensors(&pickled, &Limits::default());
        }
    }
}
