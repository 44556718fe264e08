//! The shape of the code in figures: `cargo test --release -p cleanplate --test main figures:: -- --ignored --nocapture`, of another
//! tree with `TREE=FOLDER` before it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;
use crate::structure::{FUNCTION_LINES_MAX, circle, code, crates, edges, functions, sources};

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
#[ignore = "prints figures"]
fn of_files_functions_and_modules() {
    let tree = std::env::var_os("TREE").map_or_else(root, PathBuf::from);
    let (mut files, mut lengths) = (Vec::new(), Vec::new());
    for dir in crates(&tree) {
        for file in sources(&tree.join(&dir)) {
            files.push(fs::read_to_string(&file).unwrap().lines().count());
            lengths.extend(functions(&code(&file)).into_iter().map(|(_, lines)| lines));
        }
    }
    let long_files = files.iter().filter(|lines| **lines > 500).count();
    let long = lengths.iter().filter(|n| **n > FUNCTION_LINES_MAX).count();
    println!("files: {}; {long_files} over 500", spread(files));
    println!(
        "functions: {}; {long} over {FUNCTION_LINES_MAX}",
        spread(lengths)
    );
    let (mut arrows, mut turning) = (0, 0);
    for dir in crates(&tree) {
        let folder = tree.join(dir.trim_end_matches("/src"));
        let edges = edges(&tree, &dir);
        let uses: usize = edges.values().map(|to| to.len()).sum();
        let circles: Vec<&str> = edges
            .keys()
            .filter(|from| circle(&edges, from).is_some())
            .map(String::as_str)
            .collect();
        (arrows, turning) = (arrows + uses, turning + circles.len());
        let crates = used_crates(&tree, &folder);
        println!(
            "{dir}: uses {crates:?}; {uses} arrows between its modules, in circles {circles:?}"
        );
    }
    println!("arrows between modules: {arrows}; modules in circles: {turning}");
}
