//! Readers of the code's structure: modules and what they use, functions and their lines, types. The limits stand in figures.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;
use crate::tidy::members;

pub type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// In the tree at `root`, the folders that hold the sources of a crate, each with its `lib.rs` or `main.rs`.
pub fn crates(root: &Path) -> Vec<String> {
    let sources = |member: String| {
        let inner = format!("{member}/src");
        if root.join(&inner).is_dir() {
            inner
        } else {
            member
        }
    };
    members(root).into_iter().map(sources).collect()
}

/// The Rust files below `dir`, tests and other crates within left out.
pub fn sources(dir: &Path) -> Vec<PathBuf> {
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

/// Rust text with comments, strings and characters blanked, line for line.
fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + not_code(&text[at..], out.ends_with(is_name));
        if end == at {
            let letter = text[at..].chars().next().unwrap();
            out.push(letter);
            at += letter.len_utf8();
            continue;
        }
        out.extend(text[at..end].chars().filter(|c| *c == '\n'));
        // What stood there keeps its neighbours apart.
        out.push(' ');
        at = end;
    }
    out
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of the comment, string or character that `rest` begins with; 0 for code.
fn not_code(rest: &str, inside_a_name: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        let (mut depth, mut at) = (0, 0);
        while at < rest.len() {
            match &rest.as_bytes()[at..rest.len().min(at + 2)] {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return at;
            }
        }
        return rest.len();
    }
    let prefix = if inside_a_name {
        0
    } else {
        ["br", "cr", "r", "b", "c"]
            .iter()
            .find(|p| {
                rest.strip_prefix(**p)
                    .is_some_and(|r| r.starts_with(['"', '#', '\'']))
            })
            .map_or(0, |p| p.len())
    };
    let (raw, body) = (rest[..prefix].ends_with('r'), &rest[prefix..]);
    let hashes = body.len() - body.trim_start_matches('#').len();
    if raw && body[hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = &body[hashes + 1..];
        let length = inside
            .find(&close)
            .map_or(inside.len(), |i| i + close.len());
        return prefix + hashes + 1 + length;
    }
    match body.as_bytes().first() {
        Some(b'"') => prefix + 1 + closed(&body[1..], '"'),
        // A lifetime has no second apostrophe behind its first letter.
        Some(b'\'') if !raw => {
            let mut letters = body[1..].chars();
            let first = letters.next();
            let character = first == Some('\\') || letters.next() == Some('\'');
            if character {
                prefix + 1 + closed(&body[1..], '\'')
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// Bytes up to and with the closing `quote`, escaped ones skipped.
fn closed(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return at + letter.len_utf8();
        }
    }
    text.len()
}

/// Where the block that opens first in `code` ends, behind its brace; `None` for a declaration that a `;` ends.
fn block(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0usize, 0usize);
    for (at, letter) in code.char_indices() {
        match letter {
            '(' | '[' => others += 1,
            ')' | ']' => others = others.saturating_sub(1),
            ';' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                // A number in braces among generic arguments is no block.
                let argument = code[at + 1..].trim_start().starts_with('>');
                if braces == 0 && others == 0 && !argument {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The code of a file: bare, and without what is compiled for tests alone.
pub fn code(file: &Path) -> String {
    without_tests(&bare(&fs::read_to_string(file).unwrap()))
}

fn without_tests(bare: &str) -> String {
    let mut kept = String::new();
    let mut rest = bare;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        // Without a block: a declaration, an import or a field.
        let short = || rest[at..].find([';', ',', '}']).map_or(1, |end| end + 1);
        let gone = block(&rest[at..]).unwrap_or_else(short);
        kept.extend(rest[at..at + gone].chars().filter(|c| *c == '\n'));
        rest = &rest[at + gone..];
    }
    kept + rest
}

/// Names that follow `crate::` in `code`: the top modules it uses, of braces every one.
fn used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| is_name(c) || c == '$') {
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
    text.chars().take_while(|c| is_name(*c)).collect()
}

/// `code` of a module `depth` levels below the crate's root, with `crate::` for the root wherever it climbs there by `super::`.
fn from_root(code: &str, depth: usize) -> String {
    code.replace(&"super::".repeat(depth), "crate::")
}

/// Names that the root of a crate, `code`, takes from its modules, each with the module.
fn reexported(code: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, _) in code.match_indices("use ") {
        let tree = code[at + "use ".len()..].split(';').next().unwrap();
        let Some((module, names)) = tree.split_once("::") else {
            continue;
        };
        for name in names.split(|c: char| !is_name(c)).filter(|n| !n.is_empty()) {
            found.insert(name.to_string(), module.to_string());
        }
    }
    found
}

/// In the tree at `root`, which top module of a crate uses which, with a file that does: by its own path or by a name that the root takes from it.
pub fn edges(root: &Path, dir: &str) -> Edges {
    let base = root.join(dir);
    let mut edges = Edges::new();
    let top = |file: &Path| {
        let first = file.strip_prefix(&base).unwrap().iter().next().unwrap();
        first.to_string_lossy().trim_end_matches(".rs").to_string()
    };
    let files = sources(&base);
    let modules: BTreeSet<String> = files.iter().map(|file| top(file)).collect();
    assert!(
        modules.contains("lib") || modules.contains("main"),
        "{dir} holds neither lib.rs nor main.rs: its modules are elsewhere"
    );
    let is_root = |file: &&PathBuf| ["lib", "main"].contains(&top(file).as_str());
    let named = reexported(&code(files.iter().find(is_root).unwrap()));
    for file in &files {
        let from = top(file);
        if ["lib", "main"].contains(&from.as_str()) {
            continue;
        }
        let below = file.strip_prefix(&base).unwrap();
        let depth = below.iter().count() - usize::from(below.ends_with("mod.rs"));
        for name in used(&from_root(&code(file), depth)) {
            let to = match named.get(&name) {
                Some(module) if !modules.contains(&name) => module.clone(),
                _ => name,
            };
            if to != from && modules.contains(&to) {
                let shown = file.strip_prefix(root).unwrap().display().to_string();
                edges.entry(from.clone()).or_default().insert(to, shown);
            }
        }
    }
    edges
}

/// A way from `from` back to itself, as lines to read.
pub fn circle(edges: &Edges, from: &str) -> Option<Vec<String>> {
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
fn the_reader_of_edges_sees_what_it_should() {
    let text =
        "use crate::a::B;\nuse crate::{c, d::{self, E}, f::G};\nlet x = crate::h();\nmy_crate::i";
    let names: Vec<String> = used(text).into_iter().collect();
    assert_eq!(names, ["a", "c", "d", "f", "h"]);
    let climbing = "use super::super::{a, B};\nuse super::near;";
    let names: Vec<String> = used(&from_root(climbing, 2)).into_iter().collect();
    assert_eq!(names, ["B", "a"]);
    let named = reexported("mod a;\npub use a::{B, c::D as E};\npub(crate) use f::G;");
    let named: Vec<(&str, &str)> = named.iter().map(|(n, m)| (&**n, &**m)).collect();
    for pair in [("B", "a"), ("E", "a"), ("G", "f")] {
        assert!(named.contains(&pair), "{pair:?}");
    }
    let mut edges = Edges::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "b")] {
        edges
            .entry(from.into())
            .or_default()
            .insert(to.into(), "x.rs".into());
    }
    assert!(circle(&edges, "a").is_none() && circle(&edges, "b").unwrap().len() == 2);
}

/// Lines of each function with a body in `code`, by name: from `fn` to the closing brace, wherever it stands.
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let name = word(&code[at + "fn ".len()..]);
        // `fn(...)` is a type; a macro's `$name` counts as well.
        if let Some(end) = block(&code[at..]) {
            found.push((name, code[at..at + end].lines().count()));
        }
    }
    found
}

#[test]
fn the_reader_of_functions_cannot_be_fooled() {
    let text = r####"
        impl X { pub(in crate::a) const unsafe extern "C" fn odd<const N: usize>(a: [u8; { 1 + 1 }]) -> Y<{ N + 1 }>
        where u8: Copy
        {
            let text = "}"; let raw = r#"fn no() { " }"#; let brace = '{'; let quote = '\''; /* fn no() { /* } */ */
            let life: &'static str = ""; // }
            macro_rules! m { ($f:ident) => { async fn $f() {
            } } }
            fn inner() {}
        } }
        trait T { fn declared(&self, x: [u8; 4]); }
        type F = fn (u8) -> u8;
        #[cfg(test)]
        mod tests { fn gone() { } }
        #[cfg(test)] use a::b;
        fn after() {
        }
    "####;
    let found = functions(&without_tests(&bare(text)));
    let found: Vec<(&str, usize)> = found.iter().map(|(n, l)| (n.as_str(), *l)).collect();
    assert_eq!(found, [("odd", 9), ("", 2), ("inner", 1), ("after", 2)]);
}

/// Rooms whose folders are units, or interfaces, of one kind: each may use its kind's words.
const UNITS: [(&str, &str); 4] = [
    ("models", ""),
    ("plugins", ""),
    ("tui/src", "screen"),
    ("daemon/api/src", ""),
];

/// Names of types that `code` shows to other files.
fn shown_types(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["struct ", "enum ", "trait "] {
        for (at, _) in code.match_indices(kind) {
            let line = code[..at].rsplit('\n').next().unwrap().trim_start();
            let visible = line
                .strip_prefix("pub")
                .is_some_and(|rest| !rest.starts_with(is_name));
            if visible {
                found.push(word(&code[at + kind.len()..]));
            }
        }
    }
    // A macro's `$name` is none.
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn no_crate_calls_two_things_by_one_name() {
    let (mut seen, mut double) = (0, Vec::new());
    // Kernels are units all over: every one has its plan, its weights and its tiles.
    for dir in crates(&root())
        .iter()
        .filter(|dir| *dir != "shaders/kernels")
    {
        let mut names: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let rooms = UNITS.iter().filter(|(of, _)| of == dir);
        let rooms: Vec<PathBuf> = rooms.map(|(of, room)| root().join(of).join(room)).collect();
        for file in sources(&root().join(dir)) {
            let unit = rooms.iter().find_map(|room| {
                let below = file.strip_prefix(room).ok()?;
                let nested = below.iter().count() > 1;
                nested.then(|| below.iter().next().unwrap().to_string_lossy().into_owned())
            });
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            for name in shown_types(&code(&file)) {
                seen += 1;
                let all = names.entry(name).or_default();
                all.push((unit.clone().unwrap_or_default(), shown.clone()));
            }
        }
        for (name, places) in names {
            let alike = places.iter().enumerate().any(|(at, (unit, _))| {
                let others = &places[at + 1..];
                others.iter().any(|(other, _)| unit == other)
            });
            if alike {
                double.push(format!("{dir}: {name}: {places:?}"));
            }
        }
    }
    assert!(
        double.is_empty(),
        "each of these is more than one thing:\n  {}",
        double.join("\n  ")
    );
    assert!(seen > 500, "only {seen} types found");
}
