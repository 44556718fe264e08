//! The shape of the code, within its limits and in figures: `cargo test --release -p cleanplate --test main figures:: -- --nocapture`
//! prints them, those of another tree with `TREE=FOLDER` before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;
use crate::structure::{circle, code, crates, edges, functions, is_name, sources};
use crate::tidy::with_extension;

/// Longest function outside tests, in lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Longest file, in lines.
const FILE_LINES_MAX: usize = 500;

fn tree() -> PathBuf {
    std::env::var_os("TREE").map_or_else(root, PathBuf::from)
}

/// Count, middle, 95th of a hundred and largest.
fn spread(mut numbers: Vec<usize>) -> String {
    numbers.sort_unstable();
    let at = |share: f64| numbers[((numbers.len() - 1) as f64 * share) as usize];
    format!(
        "{}, lines {} in the middle, {} at 95 %, {} at most",
        numbers.len(),
        at(0.5),
        at(0.95),
        at(1.0)
    )
}

/// The crates of the workspace that the one in `folder` is built with, by folder.
fn used_crates(root: &Path, folder: &Path) -> Vec<String> {
    let manifest = |folder: &Path| -> toml::Table {
        toml::from_str(&fs::read_to_string(folder.join("Cargo.toml")).unwrap()).unwrap()
    };
    let shared = manifest(root);
    let shared = shared["workspace"]["dependencies"].as_table().unwrap();
    let own = manifest(folder);
    let own = own.get("dependencies").and_then(|d| d.as_table());
    let names = own.into_iter().flat_map(|table| table.keys());
    let folder_of = |name: &String| Some(shared.get(name)?.get("path")?.as_str()?.to_string());
    names.filter_map(folder_of).collect()
}

#[test]
fn files_and_functions_stay_short() {
    let (tree, mut too_long) = (tree(), Vec::new());
    let (mut files, mut lengths) = (Vec::new(), Vec::new());
    for file in crates(&tree)
        .iter()
        .flat_map(|dir| sources(&tree.join(dir)))
    {
        let shown = file.strip_prefix(&tree).unwrap().display().to_string();
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        files.push(lines);
        if lines > FILE_LINES_MAX {
            too_long.push(format!("{shown} has {lines} lines"));
        }
        // What every store is tested with is no test of one.
        let exempt = shown.contains("conformance");
        for (name, lines) in functions(&code(&file)) {
            lengths.push(lines);
            if lines > FUNCTION_LINES_MAX && !exempt {
                too_long.push(format!("{shown}: fn {name} has {lines} lines"));
            }
        }
    }
    let over = |lengths: &[usize], most| lengths.iter().filter(|lines| **lines > most).count();
    let long_files = over(&files, FILE_LINES_MAX);
    let long = over(&lengths, FUNCTION_LINES_MAX);
    assert!(files.len() > 300 && lengths.len() > 2000, "most was missed");
    println!(
        "files: {}; {long_files} over {FILE_LINES_MAX}",
        spread(files)
    );
    println!(
        "functions: {}; {long} over {FUNCTION_LINES_MAX}",
        spread(lengths)
    );
    assert!(
        too_long.is_empty(),
        "split these (at most {FILE_LINES_MAX} lines a file, {FUNCTION_LINES_MAX} a function):\n  {}",
        too_long.join("\n  ")
    );
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    let (tree, mut arrows, mut circles) = (tree(), 0, Vec::new());
    for dir in crates(&tree) {
        let edges = edges(&tree, &dir);
        let uses: usize = edges.values().map(|to| to.len()).sum();
        let crates = used_crates(&tree, &tree.join(dir.trim_end_matches("/src")));
        println!("{dir}: uses {crates:?}; {uses} arrows between its modules");
        arrows += uses;
        for from in edges.keys() {
            let way = circle(&edges, from);
            circles.extend(way.map(|way| format!("{dir}, {from}:\n    {}", way.join("\n    "))));
        }
    }
    println!(
        "arrows between modules: {arrows}; modules in circles: {}",
        circles.len()
    );
    assert!(arrows > 150, "only {arrows} uses of one module by another");
    assert!(
        circles.is_empty(),
        "circles of modules:\n  {}",
        circles.join("\n  ")
    );
}

/// The compiler says of what is private that nobody uses it.
#[test]
fn no_public_function_is_named_nowhere_else() {
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut public = Vec::new();
    for file in with_extension(&["rs"]).iter().map(|name| root().join(name)) {
        let code = code(&file);
        let words: Vec<&str> = code
            .split(|c| !is_name(c))
            .filter(|w| !w.is_empty())
            .collect();
        for at in words.windows(3) {
            // `pub fn`, `pub(super) fn`, `pub async fn` and the like.
            if at[1] == "fn" && ["pub", "super", "crate", "const", "async"].contains(&at[0]) {
                public.push((at[2].to_string(), file.clone()));
            }
        }
        let tests = fs::read_to_string(&file).unwrap();
        for word in tests.split(|c| !is_name(c)) {
            *named.entry(word.to_string()).or_default() += 1;
        }
    }
    assert!(public.len() > 1500, "most was missed: {}", public.len());
    let is_alone = |(name, _): &&(String, PathBuf)| named[name] == 1;
    let alone: Vec<String> = (public.iter().filter(is_alone))
        .map(|(name, file)| format!("{}: {name}", file.display()))
        .collect();
    assert!(
        alone.is_empty(),
        "used by nobody:\n  {}",
        alone.join("\n  ")
    );
}
