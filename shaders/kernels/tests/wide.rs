//! What the compiler made of the functions that `by_isa!` and `by_vector!` compile per instruction set: their loops hold that set's
//! registers, and nothing that they need was left behind in a function for the weakest set.
//!
//! Reads the library that this test is linked with by binutils' `objdump`.

#![cfg(all(target_arch = "x86_64", target_os = "linux", not(debug_assertions)))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Parts of the names of what such a function may call: other functions of its kind, one that chooses among these,
/// copies, panics.
const CALLS_ALLOWED: [&str; 9] = [
    "avx512",
    "avx2",
    "store::Store::row",
    "memcpy",
    "memmove",
    "memset",
    "panic",
    "_fail",
    "bcmp",
];

/// From so many lanes on that a loop handles one by one it counts as not made of vectors: the columns of a tile, which
/// are two vectors. Partial tiles and steps of two take up to 30 singly.
const SINGLE_LANES: usize = 32;

/// The newest build of this package's library beside the test's own program.
fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libcleanplate_kernels-") && name.ends_with(".rlib")
    };
    fs::read_dir(program.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(ours)
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .expect("the library lies beside the test")
}

/// One instruction; `target` is the symbol that a linker puts into it.
struct Instruction {
    at: u64,
    name: String,
    operands: String,
    target: Option<String>,
}

/// A function compiled for an instruction set.
struct Function {
    name: String,
    code: Vec<Instruction>,
}

fn functions(listing: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for line in listing.lines() {
        if let Some(name) = line.strip_suffix(">:").and_then(|l| l.split_once(" <")) {
            // Constants are listed as code, too.
            if !name.1.starts_with(".L") {
                let (name, code) = (name.1.to_string(), Vec::new());
                functions.push(Function { name, code });
            }
            continue;
        }
        let Some(function) = functions.last_mut() else {
            continue;
        };
        if let Some((_, relocation)) = line.split_once("R_X86_64_") {
            let symbol = relocation.split_once('\t').map(|(_, s)| demangled(s));
            if let Some(last) = function.code.last_mut() {
                last.target = symbol;
            }
            continue;
        }
        let Some((at, rest)) = line.trim().split_once(":\t") else {
            continue;
        };
        let Ok(at) = u64::from_str_radix(at, 16) else {
            continue;
        };
        let (name, operands) = rest.split_once(' ').unwrap_or((rest, ""));
        function.code.push(Instruction {
            at,
            name: name.trim().to_string(),
            operands: operands.trim().to_string(),
            target: None,
        });
    }
    functions
}

/// A function of the same object file may be given by its section, which objdump names as the compiler does:
/// `.text._ZN5store5Store3row17h…E-0x4` is `store::Store::row`.
fn demangled(symbol: &str) -> String {
    let section = symbol.strip_prefix(".text.");
    let Some((_, mut rest)) = section.and_then(|name| name.split_once("_ZN")) else {
        return symbol.to_string();
    };
    let mut parts = Vec::new();
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(length) = rest[..digits].parse::<usize>() else {
            return parts.join("::");
        };
        let Some(part) = rest[digits..].get(..length) else {
            return symbol.to_string();
        };
        parts.push(part);
        rest = &rest[digits + length..];
    }
}

impl Function {
    /// The set that it is compiled for, as `by_isa!` and the microkernels call it.
    fn isa(&self) -> Option<&str> {
        let last = self.name.rsplit("::").find(|part| !is_hash(part))?;
        let isa = last.split('<').next()?;
        ["avx512", "avx2"].contains(&isa).then_some(isa)
    }

    /// Functions that it calls although they are not compiled for its set.
    fn strangers(&self) -> BTreeSet<&str> {
        let leaves = |i: &&Instruction| i.name == "call" || i.name == "jmp";
        self.code
            .iter()
            .filter(leaves)
            .filter_map(|i| i.target.as_deref())
            .filter(|name| !CALLS_ALLOWED.iter().any(|part| name.contains(part)))
            .collect()
    }

    /// Its loops: the innermost, and those around others.
    fn loops(&self) -> [Vec<&[Instruction]>; 2] {
        let mut spans = BTreeSet::new();
        for (end, jump) in self.code.iter().enumerate() {
            let target = jump.operands.split(' ').next().unwrap_or_default();
            let Ok(target) = u64::from_str_radix(target, 16) else {
                continue;
            };
            if jump.name.starts_with('j') && jump.target.is_none() && target <= jump.at {
                let start = self.code.partition_point(|i| i.at < target);
                spans.insert((start, end));
            }
        }
        let holds = |a: &(usize, usize), b: &(usize, usize)| a != b && a.0 <= b.0 && b.1 <= a.1;
        let is_outer = |span: &&(usize, usize)| spans.iter().any(|other| holds(span, other));
        let (outer, inner): (Vec<_>, Vec<_>) = spans.iter().partition(is_outer);
        let body = |(start, end): &(usize, usize)| &self.code[*start..=*end];
        [inner, outer].map(|spans| spans.into_iter().map(body).collect())
    }
}

fn is_hash(part: &str) -> bool {
    part.len() == 17 && part.starts_with('h') && part[1..].bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether an instruction uses registers wider than those that every x86-64 processor has. Data of 256 bits may be all
/// that a loop has.
fn is_wide(i: &Instruction) -> bool {
    i.operands.contains("zmm") || i.operands.contains("ymm")
}

/// Lanes that a loop stores or fetches one by one.
fn single_lanes(code: &[Instruction]) -> usize {
    let stores = |i: &&Instruction| i.name.ends_with("movss") && i.operands.starts_with("DWORD");
    let fetches = |i: &&Instruction| i.name.contains("gather") || i.name.contains("scatter");
    code.iter().filter(|i| stores(i) || fetches(i)).count()
}

fn computes_wide(i: &Instruction) -> bool {
    is_wide(i) && ["mul", "add", "sub"].iter().any(|n| i.name.contains(n))
}

/// Uses of `by_isa!` and `by_vector!` in the library's sources.
fn sites(dir: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !["tests", "examples"].iter().any(|d| path.ends_with(d)) {
            count += sites(&path);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().map(|l| l.split("//").next().unwrap());
            let uses = |l: &str| l.matches("by_isa!(").count() + l.matches("by_vector!(").count();
            count += code.map(uses).sum::<usize>();
        }
    }
    count
}

/// What is wrong with a function.
fn faults(function: &Function) -> Vec<String> {
    let strangers = function.strangers().into_iter();
    let mut faults: Vec<String> = strangers.map(|s| format!("calls {s}")).collect();
    let [inner, outer] = function.loops();
    let mut lanes = inner.iter().map(|l| single_lanes(l));
    if let Some(lanes) = lanes.find(|n| *n >= SINGLE_LANES) {
        faults.push(format!("has a loop that handles {lanes} lanes one by one"));
    }
    // Inner loops of a known length may be gone: their arithmetic then is in the loop around them.
    let wide = if inner.is_empty() {
        function.code.iter().any(is_wide)
    } else {
        inner.iter().any(|l| l.iter().any(is_wide))
            || outer.iter().any(|l| l.iter().any(computes_wide))
    };
    if !wide {
        faults.push("has no loop with wide registers".into());
    }
    faults
}

#[test]
fn loops_hold_wide_registers_and_call_nothing_narrow() {
    let library = library();
    let out = Command::new("objdump")
        .args(["--disassemble", "--reloc", "--demangle"])
        .args(["--no-show-raw-insn", "--disassembler-options=intel"])
        .arg(&library)
        .output()
        .expect("objdump runs; on Debian: apt-get install binutils");
    let shown = library.display();
    assert!(out.status.success(), "objdump fails on {shown}");
    let (mut failures, mut counts) = (Vec::new(), [0; 2]);
    for function in functions(&String::from_utf8_lossy(&out.stdout)) {
        if let Some(isa) = function.isa() {
            counts[usize::from(isa == "avx512")] += 1;
            let faults = faults(&function).into_iter();
            failures.extend(faults.map(|fault| format!("{} {fault}", function.name)));
        }
    }
    let wanted = sites(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(
        wanted > 10 && counts.iter().all(|found| *found >= wanted),
        "{counts:?} functions found, by_isa! and by_vector! stand in {wanted} places"
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn faults_are_found() {
    let listing = |body: &[&str]| {
        let mut text = "0000000000000000 <a::b::avx512>:\n".to_string();
        for (at, line) in body.iter().enumerate() {
            text.push_str(&format!("   {at:x}:\t{line}\n"));
        }
        faults(&functions(&text)[0])
    };
    let wide = "vaddps zmm0,zmm0,ZMMWORD PTR [rax]";
    let store = "vmovss DWORD PTR [rax],xmm1";
    let back = "jne    0 <a::b::avx512>";
    assert_eq!(listing(&[wide, store, back]), [""; 0]);
    assert_eq!(listing(&[wide]), [""; 0]);
    assert_eq!(
        listing(&["addps  xmm0,xmm1", back, wide]),
        ["has no loop with wide registers"]
    );
    assert_eq!(
        listing(&[
            "call   5 <a>\n\t\t\t1: R_X86_64_PLT32\t_ZN4core4foldE-0x4",
            wide
        ]),
        ["calls _ZN4core4foldE-0x4"]
    );
    assert_eq!(
        listing(&["call   5 <a>\n\t\t\t1: R_X86_64_PLT32\tmemcpy-0x4", wide]),
        [""; 0]
    );
    let of_section = |path: &str| {
        let call = "call   5 <a>\n\t\t\t1: R_X86_64_PC32\t.text.";
        listing(&[&format!("{call}_ZN{path}17h0123456789abcdefE-0x4"), wide])
    };
    assert_eq!(of_section("6common5store5Store3row"), [""; 0]);
    assert_eq!(
        of_section("6common5store5Store4sort"),
        ["calls common::store::Store::sort::h0123456789abcdef"]
    );
    let one_by_one = [&[wide][..], &[store; SINGLE_LANES], &[back]].concat();
    assert_eq!(
        listing(&one_by_one),
        ["has a loop that handles 32 lanes one by one"]
    );
}
