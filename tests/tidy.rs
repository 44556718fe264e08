//! Style that a test enforces: one-way layers, complete registries, readable files, a project that speaks of itself alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Files that git tracks (or would track), relative to the root.
fn tracked() -> Vec<PathBuf> {
    listed(&["-co", "--exclude-standard"])
}

/// What `git ls-files` lists with these options, relative to the root.
fn listed(options: &[&str]) -> Vec<PathBuf> {
    let out = Command::new("git")
        .arg("ls-files")
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let files: Vec<PathBuf> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .collect();
    let files: Vec<PathBuf> = files
        .into_iter()
        .filter(|f| root().join(f).is_file())
        .collect();
    assert!(
        files.len() > 50,
        "only {} tracked files found: the checks below would be empty",
        files.len()
    );
    files
}

pub fn with_extension(extensions: &[&str]) -> Vec<PathBuf> {
    let wanted = |f: &PathBuf| {
        f.extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| extensions.contains(&e))
    };
    tracked().into_iter().filter(wanted).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Folders directly below `dir` that hold a `mod.rs`.
fn unit_folders(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(dir))
        .unwrap()
        .map(|e| e.unwrap().path());
    entries
        .filter(|p| p.join("mod.rs").is_file())
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn layers_depend_downwards_only() {
    // Each crate with the crates of this workspace it may name.
    let allowed: &[(&str, &[&str])] = &[
        ("basics", &[]),
        ("shaders/kernels", &[]),
        ("shaders/engine", &["kernels"]),
        ("models", &["kernels", "engine"]),
        ("pictures", &[]),
        (
            "pipeline",
            &["basics", "kernels", "engine", "models", "pictures"],
        ),
        (
            "plugins",
            &["kernels", "engine", "models", "pictures", "pipeline"],
        ),
        ("daemon/api", &[]),
        ("tui", &["api", "basics"]),
        ("daemon/store", &["basics"]),
        (
            "daemon",
            &[
                "basics", "kernels", "engine", "models", "pictures", "pipeline", "plugins", "api",
                "store",
            ],
        ),
    ];
    let listed: BTreeSet<String> = allowed.iter().map(|(dir, _)| dir.to_string()).collect();
    assert_eq!(
        members(&root()),
        listed,
        "the members of the workspace and the layers listed here differ"
    );
    for (dir, may) in allowed {
        let manifest: toml::Table =
            toml::from_str(&read(&Path::new(dir).join("Cargo.toml"))).unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(named) = manifest.get(table).and_then(|t| t.as_table()) else {
                continue;
            };
            for name in named.keys().filter_map(|n| n.strip_prefix("cleanplate-")) {
                assert!(
                    may.contains(&name),
                    "{dir}/Cargo.toml names cleanplate-{name}; allowed are {may:?}"
                );
            }
        }
    }
}

/// Folders of the workspace's crates.
pub fn members(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|m| m.as_str().unwrap().to_string())
        .collect()
}

#[test]
fn every_test_file_is_a_module_of_the_one_binary() {
    for dir in ["tests", "plugins/tests", "daemon/store/tests"] {
        let main = read(&Path::new(dir).join("main.rs"));
        let named: BTreeSet<&str> = main
            .lines()
            .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
            .collect();
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let file = if path.is_dir() {
                path.join("mod.rs")
            } else {
                path.clone()
            };
            if file.extension().is_none_or(|e| e != "rs") || !file.is_file() || name == "main" {
                continue;
            }
            // What counts allocations has to be a binary of its own.
            let apart = read(&file).contains("global_allocator");
            assert!(
                apart || named.contains(name),
                "{} is in no test binary: name it in {dir}/main.rs",
                path.display()
            );
        }
    }
}

/// Names in the tables of a manifest that its code is built with, those for some platforms included.
fn built_with(manifest: &toml::Table) -> BTreeSet<String> {
    let mut tables = vec![manifest];
    let platforms = manifest.get("target").and_then(|t| t.as_table());
    tables.extend(
        platforms
            .into_iter()
            .flatten()
            .filter_map(|(_, t)| t.as_table()),
    );
    let named = |table: &&toml::Table| {
        ["dependencies", "build-dependencies"]
            .iter()
            .filter_map(|kind| table.get(*kind)?.as_table())
            .flat_map(|named| named.keys().cloned())
            .collect::<Vec<String>>()
    };
    tables.iter().flat_map(named).collect()
}

#[test]
fn interfaces_to_the_outside_are_known_to_few() {
    // Beginnings of names, and the crates that may be built with them: no other could use what they offer.
    let homes: &[(&str, &[&str])] = &[
        ("wgpu", &["shaders/engine"]),
        ("naga", &["shaders/kernels", "shaders/engine", "pipeline"]),
        ("rusqlite", &["daemon/store"]),
        ("postgres", &["daemon/store"]),
        ("object_store", &["daemon"]),
        ("actix", &["daemon"]),
        ("hyper", &["tui"]),
        ("ureq", &["daemon", "models"]),
        ("ratatui", &["tui"]),
    ];
    let mut seen = BTreeSet::new();
    for dir in members(&root()) {
        let manifest = read(&Path::new(&dir).join("Cargo.toml"));
        for name in built_with(&toml::from_str(&manifest).unwrap()) {
            let Some((home, may)) = homes.iter().find(|(home, _)| name.starts_with(home)) else {
                continue;
            };
            assert!(
                may.contains(&dir.as_str()),
                "{dir}/Cargo.toml names {name}; allowed in {may:?}"
            );
            seen.insert(*home);
        }
    }
    assert_eq!(
        seen.len(),
        homes.len(),
        "a name that nobody uses any more: {seen:?}"
    );
}

/// In the tree at `root`, the entries of a registry slice `NAME: ... = &[&a::INFO, &b::c::INFO, ...];` as module paths, in order.
pub fn registered(root: &Path, file: &str, slice: &str) -> Vec<String> {
    let text = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let start = text
        .find(&format!("static {slice}:"))
        .unwrap_or_else(|| panic!("{file} holds no slice {slice}"));
    let list = text[start..].split_once("= &[").unwrap().1;
    let list = list.split_once("];").unwrap().0;
    let entries = list.lines().map(|l| l.split("//").next().unwrap());
    let entries: Vec<String> = entries
        .flat_map(|l| l.split(','))
        .map(|e| e.trim().to_string())
        .filter(|e| !e.is_empty())
        .collect();
    let module = |entry: &String| {
        let path = entry.strip_prefix('&').and_then(|p| p.rsplit_once("::"));
        let (module, _) = path.unwrap_or_else(|| panic!("{file}: {slice} holds {entry:?}"));
        module.to_string()
    };
    entries.iter().map(module).collect()
}

/// Kernels as module paths: a folder each, `a`, or a folder in a room, `room::a`, where kernels share a subject.
fn kernel_folders() -> BTreeSet<String> {
    let dir = "shaders/kernels";
    let mut kernels = BTreeSet::new();
    // `common` holds what kernels share.
    for name in unit_folders(dir).into_iter().filter(|k| k != "common") {
        let parts = unit_folders(&format!("{dir}/{name}"));
        let is_kernel = |part: &String| {
            let part = root().join(dir).join(&name).join(part);
            part.join("reference.rs").is_file()
        };
        if parts.iter().any(is_kernel) {
            kernels.extend(parts.iter().map(|part| format!("{name}::{part}")));
        } else {
            kernels.insert(name);
        }
    }
    kernels
}

#[test]
fn every_kernel_folder_is_complete_and_registered() {
    let folders = kernel_folders();
    assert!(folders.len() > 30, "only {} kernels found", folders.len());
    let listed: BTreeSet<String> = registered(&root(), "shaders/kernels/lib.rs", "KERNELS")
        .into_iter()
        .collect();
    assert_eq!(folders, listed, "kernel folders (left) and KERNELS (right)");
    for kernel in folders {
        let dir = root()
            .join("shaders/kernels")
            .join(kernel.replace("::", "/"));
        assert!(
            dir.join("reference.rs").is_file(),
            "kernel {kernel} has no reference.rs: every kernel has a plain CPU twin"
        );
        let wgsl = fs::read_dir(&dir)
            .unwrap()
            .any(|f| f.unwrap().path().extension().is_some_and(|e| e == "wgsl"));
        assert!(wgsl, "kernel {kernel} has no shader");
    }
}

/// What is wrong with the plugins of the tree at `root`: folders without their line, lines without their folder.
pub fn plugin_problems(root: &Path) -> Option<String> {
    let registered: BTreeSet<String> = registered(root, "plugins/registry.rs", "PLUGINS")
        .into_iter()
        .collect();
    let folders = unit_folders(&root.join("plugins").to_string_lossy());
    if folders != registered {
        return Some(format!("folders {folders:?}, in PLUGINS {registered:?}"));
    }
    let lib = fs::read_to_string(root.join("plugins/lib.rs")).unwrap();
    folders.into_iter().find_map(|plugin| {
        if !lib.contains(&format!("mod {plugin};")) {
            return Some(format!("plugin {plugin} is no module of plugins/lib.rs"));
        }
        let manifest = root.join("plugins").join(&plugin).join("plugin.toml");
        (!manifest.is_file()).then(|| format!("plugin {plugin} has no plugin.toml"))
    })
}

#[test]
fn every_plugin_folder_is_complete_and_registered() {
    assert_eq!(plugin_problems(&root()), None);
}

#[test]
fn files_stay_readable() {
    let sources = with_extension(&["rs", "wgsl"]);
    let mut lines: Vec<usize> = Vec::new();
    for file in &sources {
        let count = read(file).lines().count();
        assert!(
            count <= 500,
            "{} has {count} lines: split it",
            file.display()
        );
        lines.push(count);
    }
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median < 200, "the median source file has {median} lines");
}

#[test]
fn shader_bindings_state_their_axes() {
    let mut seen = 0;
    for file in with_extension(&["wgsl"]) {
        for (number, line) in read(&file).lines().enumerate() {
            if line.contains("@binding(") && line.contains("var<storage") {
                seen += 1;
                assert!(
                    line.contains("//"),
                    "{}:{}: the binding does not state its axes and unit",
                    file.display(),
                    number + 1
                );
            }
        }
    }
    assert!(seen > 10, "only {seen} bindings found");
}

#[test]
fn no_leftovers() {
    // Spelled in pieces so that this file passes its own check.
    let banned = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("db", "g!("),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    for file in with_extension(&["rs", "wgsl", "toml", "md", "py", "sh", "js"]) {
        let text = read(&file);
        for word in banned {
            assert!(!text.contains(word), "{} contains {word}", file.display());
        }
    }
}

#[test]
fn documents_name_no_machine_paths() {
    let banned = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    for file in with_extension(&[
        "rs", "wgsl", "toml", "md", "py", "sh", "json", "js", "html", "css", "yml",
    ]) {
        let text = read(&file);
        for path in banned {
            assert!(
                !text.contains(path),
                "{} names a machine path ({path})",
                file.display()
            );
        }
    }
}

/// Bytes that all tracked files may weigh: everybody who builds the project downloads them.
const TREE_BYTES_MAX: u64 = 40 << 20;

#[test]
fn the_tree_stays_light() {
    // Not what a reader of the README has just made beside them.
    let mut files: Vec<(u64, PathBuf)> = listed(&["-c"])
        .into_iter()
        .map(|file| (fs::metadata(root().join(&file)).unwrap().len(), file))
        .collect();
    files.sort();
    let total: u64 = files.iter().map(|(bytes, _)| bytes).sum();
    let heaviest: Vec<_> = files.iter().rev().take(10).collect();
    assert!(
        total <= TREE_BYTES_MAX,
        "tracked files weigh {total} bytes, {TREE_BYTES_MAX} are allowed; the heaviest: {heaviest:#?}"
    );
}

#[test]
fn every_weight_file_names_its_making() {
    let mut seen = 0;
    for file in tracked()
        .iter()
        .filter(|f| f.starts_with("models") && !f.to_string_lossy().contains("golden"))
    {
        if file.extension().is_some_and(|e| e == "safetensors") {
            seen += 1;
            let card = file.with_file_name("model.toml");
            let table: toml::Table = toml::from_str(&read(&card)).unwrap();
            let of_file = table.get("file").and_then(|file| file.get("sha256"));
            for said in [table.get("origin"), table.get("licence"), of_file] {
                let said = said.and_then(|value| value.as_str()).unwrap_or_default();
                assert!(
                    !said.is_empty(),
                    "{} lacks origin, licence or file.sha256",
                    card.display()
                );
            }
        }
    }
    assert!(seen > 0, "no shipped weights found");
}

#[test]
fn dependencies_have_permissive_licences() {
    const ALLOWED: [&str; 13] = [
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "ISC",
        "Zlib",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "0BSD",
        "BSL-1.0",
        "CC0-1.0",
        "IJG",
        "Unicode-3.0",
        // Mozilla's list of certificate authorities, as data.
        "CDLA-Permissive-2.0",
    ];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = concat!("--filter-platform=", "x86_64-unknown-linux-gnu");
    let out = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", target])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(
        packages.len() > 100,
        "only {} packages found",
        packages.len()
    );
    for package in packages {
        // An older spelling separates alternatives by a slash. No crate joins several licences inside one alternative.
        let licence = package["license"]
            .as_str()
            .unwrap_or("")
            .replace('/', " OR ");
        let mut parts = licence
            .split(" AND ")
            .map(|part| part.trim_matches(['(', ')', ' ']));
        let fine = parts.all(|part| part.split(" OR ").any(|one| ALLOWED.contains(&one.trim())));
        assert!(
            fine,
            "{} {} is under {licence:?}, which is not on the list",
            package["name"], package["version"]
        );
    }
}

#[test]
fn cargo_run_at_the_root_means_the_product() {
    let readme = read(Path::new("README.md"));
    assert!(
        readme.contains("\ncargo run --release -- run "),
        "the README's first command changed: check that it still works"
    );
    assert!(
        read(Path::new("daemon/Cargo.toml")).contains("default-run = \"cleanplate\""),
        "several programs, and cargo run cannot choose"
    );
}
