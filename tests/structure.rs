//! The shape of the code that a test enforces: no circle between the modules of a crate, short functions, short files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;

/// Longest function outside tests, in lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Longest Rust file.
const FILE_LINES_MAX: usize = 500;

/// Folders that hold the sources of a crate, each with its `lib.rs` or `main.rs`.
const CRATES: [&str; 10] = [
    "shaders/kernels",
    "shaders/engine",
    "models",
    "pictures",
    "pipeline",
    "plugins",
    "daemon/api",
    "daemon/store/src",
    "daemon/src",
    "tui/src",
];

/// Modules that hold the list of a crate's units and so name each of them, while the units fill in its rows.
const LISTS: [(&str, &str); 1] = [("models", "arch")];

type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// The Rust files below `dir`, tests and other crates within left out.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let other_crate = path.join("Cargo.toml").is_file();
            if !other_crate && !["target", "tests", "examples"].contains(&name.as_str()) {
                found.extend(sources(&path));
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file: without comments, and without the tests at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let tests = line.trim() == "#[cfg(test)]"
            && lines
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if tests {
            break;
        }
        kept.push_str(line.split("//").next().unwrap());
        kept.push('\n');
    }
    kept
}

/// Names that follow `crate::` in `code`: the top modules it uses, of braces every one.
fn used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(tree) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let (mut depth, mut starts) = (0, true);
        for (i, c) in tree.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts = true,
                c if c.is_whitespace() => {}
                _ if depth == 0 && starts => {
                    names.insert(word(&tree[i..]));
                    starts = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Which top module of a crate uses which, with a file that does.
fn edges(dir: &str) -> Edges {
    let base = root().join(dir);
    let mut edges = Edges::new();
    let top = |file: &Path| {
        let first = file.strip_prefix(&base).unwrap().iter().next().unwrap();
        first.to_string_lossy().trim_end_matches(".rs").to_string()
    };
    let files = sources(&base);
    let modules: BTreeSet<String> = files.iter().map(|file| top(file)).collect();
    for file in &files {
        let from = top(file);
        if ["lib", "main"].contains(&from.as_str()) || LISTS.contains(&(dir, from.as_str())) {
            continue;
        }
        for to in used(&code(file)) {
            if to != from && modules.contains(&to) {
                let shown = file.strip_prefix(root()).unwrap().display().to_string();
                edges.entry(from.clone()).or_default().insert(to, shown);
            }
        }
    }
    edges
}

/// A way from `from` back to itself, as lines to read.
fn circle(edges: &Edges, from: &str) -> Option<Vec<String>> {
    let mut came: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for to in edges.get(at).into_iter().flat_map(|next| next.keys()) {
            if to == from {
                let mut way = vec![format!("{at} -> {to}: {}", edges[at][to])];
                let mut step = at;
                while step != from {
                    let before = came[step];
                    way.push(format!("{before} -> {step}: {}", edges[before][step]));
                    step = before;
                }
                way.reverse();
                return Some(way);
            }
            if !came.contains_key(to.as_str()) {
                came.insert(to, at);
                open.push(to);
            }
        }
    }
    None
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    for dir in CRATES {
        let edges = edges(dir);
        for from in edges.keys() {
            if let Some(way) = circle(&edges, from) {
                panic!("{dir}: a circle of modules:\n  {}", way.join("\n  "));
            }
        }
    }
}

#[test]
fn the_reader_of_edges_sees_what_it_should() {
    let text =
        "use crate::a::B;\nuse crate::{c, d::{self, E}, f::G};\nlet x = crate::h();\nmy_crate::i";
    let names: Vec<String> = used(text).into_iter().collect();
    assert_eq!(names, ["a", "c", "d", "f", "h"]);
    let mut edges = Edges::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "b")] {
        edges
            .entry(from.into())
            .or_default()
            .insert(to.into(), "x.rs".into());
    }
    assert!(circle(&edges, "a").is_none() && circle(&edges, "b").unwrap().len() == 2);
}

/// Lines of each function in `code`, by name. rustfmt puts the closing brace under the first letter of the declaration.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let head = [
            "pub ",
            "pub(crate) ",
            "pub(super) ",
            "const ",
            "async ",
            "unsafe ",
        ];
        let mut rest = text;
        while let Some(next) = head.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = next;
        }
        let Some(name) = rest.strip_prefix("fn ").map(word) else {
            continue;
        };
        let indent = &line[..line.len() - text.len()];
        let last = format!("{indent}}}");
        let end = lines[start..]
            .iter()
            .position(|l| *l == last || (l.ends_with(';') && l.starts_with(line)));
        found.extend(end.map(|length| (name, length + 1)));
    }
    found
}

#[test]
fn functions_and_files_stay_short() {
    let mut too_long = Vec::new();
    let mut seen = 0;
    for dir in CRATES {
        for file in sources(&root().join(dir)) {
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            let count = fs::read_to_string(&file).unwrap().lines().count();
            if count > FILE_LINES_MAX {
                too_long.push(format!("{shown}: {count} lines"));
            }
            for (name, lines) in functions(&code(&file)) {
                seen += 1;
                if lines > FUNCTION_LINES_MAX && !shown.contains("conformance") {
                    too_long.push(format!("{shown}: fn {name} has {lines} lines"));
                }
            }
        }
    }
    assert!(seen > 2000, "only {seen} functions found");
    assert!(
        too_long.is_empty(),
        "split these (at most {FUNCTION_LINES_MAX} lines a function, {FILE_LINES_MAX} a file):\n  {}",
        too_long.join("\n  ")
    );
}
