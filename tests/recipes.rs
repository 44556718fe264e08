//! The recipes of docs/CONTRIBUTING.md: that their touch lists are true.
//!
//! The tree is the proof: each unit that it holds stands for the next one, so the files that name it outside of its folder are
//! those that adding it touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::root;
use crate::structure::{code, is_name, sources};
use crate::tidy::{plugin_problems, registered};

/// A row of the table of recipes.
struct Recipe {
    what: String,
    /// Existing files that it names: those to be touched besides the new folder.
    touched: BTreeSet<PathBuf>,
}

/// The recipes, in order: kernel, network family, plugin, route, screen.
fn recipes() -> Vec<Recipe> {
    let text = fs::read_to_string(root().join("docs/CONTRIBUTING.md")).unwrap();
    let table = text.split("| to add |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let recipe = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named = cells[3..].iter().flat_map(|cell| cell.split('`'));
        Recipe {
            what: cells[1].to_string(),
            touched: named
                .map(PathBuf::from)
                .filter(|name| root().join(name).is_file())
                .collect(),
        }
    };
    rows.map(recipe).collect()
}

/// Files with the words of their code. Tests are none of them.
type Words = Vec<(PathBuf, BTreeSet<String>)>;

fn words(dirs: &[&str]) -> Words {
    let files = dirs.iter().flat_map(|dir| sources(&root().join(dir)));
    let read = |file: PathBuf| {
        let words = code(&file)
            .split(|c| !is_name(c))
            .map(str::to_string)
            .collect();
        (file.strip_prefix(root()).unwrap().to_path_buf(), words)
    };
    files.map(read).collect()
}

/// The files that name `unit`, those in `home` left out.
fn naming(unit: &str, words: &Words, home: &Path) -> BTreeSet<PathBuf> {
    let elsewhere = words.iter().filter(|(file, _)| !file.starts_with(home));
    let named = elsewhere.filter(|(_, words)| words.contains(unit));
    named.map(|(file, _)| file.clone()).collect()
}

/// Units of a recipe with the files that name them, `(unit, files)`.
type Units = Vec<(String, BTreeSet<PathBuf>)>;

fn folders(list: &str, slice: &str, dir: &str) -> Units {
    let (units, words) = (registered(&root(), list, slice), words(&[dir]));
    let own = units.into_iter().filter(|unit| !unit.contains("::"));
    own.map(|unit| {
        let found = naming(&unit, &words, &Path::new(dir).join(&unit));
        (unit, found)
    })
    .collect()
}

fn screens() -> Units {
    let list = code(&root().join("tui/src/screen/mod.rs"));
    let slice = list.split("static SCREENS").nth(1).unwrap();
    let slice = slice.split("];").next().unwrap();
    let names = slice.split("::ENTRY").filter_map(|before| {
        let name = before.rsplit(|c| !is_name(c)).next()?;
        (!name.is_empty()).then(|| name.to_string())
    });
    let words = words(&["tui/src"]);
    names
        .map(|unit| {
            let home = Path::new("tui/src/screen").join(&unit);
            let found = naming(&unit, &words, &home);
            (unit, found)
        })
        .collect()
}

/// Operations; handlers' own files are left out, and who calls them.
fn routes() -> Units {
    let words = words(&["daemon/api/src", "daemon/src"]);
    let mut units = Units::new();
    for (list, handlers) in [
        ("daemon/api/src/public.rs", "daemon/src/http"),
        ("daemon/api/src/admin/endpoints.rs", "daemon/src/admin"),
    ] {
        let declared = code(&root().join(list));
        for (at, _) in declared.match_indices(": Get ") {
            let name = declared[..at].rsplit_once(" = ").unwrap().0;
            let name = name.rsplit(|c| !is_name(c)).next().unwrap();
            let mut found = naming(name, &words, Path::new("tui"));
            let router = Path::new(handlers).join("mod.rs");
            // Handlers' own files, and the other interface, which may have an operation of the same name, count for nothing.
            let rooms = ["daemon/src/http", "daemon/src/admin", "daemon/api/src"];
            found.retain(|file| {
                let elsewhere = !rooms.iter().any(|room| file.starts_with(room));
                elsewhere || *file == router || file == Path::new(list)
            });
            units.push((name.to_string(), found));
        }
    }
    units
}

/// Whether a file of tests names a unit, in strings too.
fn tested(file: &Path, unit: &str) -> bool {
    let is_test = file.iter().any(|part| part == "tests");
    let text = fs::read_to_string(root().join(file)).unwrap();
    is_test && text.split(|c| !is_name(c)).any(|word| word == unit)
}

#[test]
fn the_touch_lists_are_true() {
    let found: [Units; 5] = [
        folders("shaders/kernels/lib.rs", "KERNELS", "shaders/kernels"),
        folders("models/registry.rs", "ARCHS", "models"),
        folders("plugins/registry.rs", "PLUGINS", "plugins"),
        routes(),
        screens(),
    ];
    let recipes = recipes();
    assert_eq!(recipes.len(), found.len());
    for (Recipe { what, touched }, units) in recipes.iter().zip(&found) {
        assert!(units.len() > 2, "{what}: only {} found", units.len());
        // Some are used by others of their kind; the next one is not yet.
        let alone = units.iter().filter(|(_, files)| files.is_subset(touched));
        let alone: Vec<&str> = alone.map(|(unit, _)| unit.as_str()).collect();
        assert!(
            !alone.is_empty(),
            "{what} touches more than docs/CONTRIBUTING.md lists, {touched:?}: {units:?}"
        );
        for file in touched {
            let needed = units
                .iter()
                .any(|(unit, files)| files.contains(file) || tested(file, unit));
            assert!(
                needed,
                "{what} leaves {file:?} as it is, which docs/CONTRIBUTING.md lists: {units:?}"
            );
        }
        let files = units.iter().map(|(_, files)| files.len()).min().unwrap();
        println!(
            "{what}: {files} files besides its own, {} of {} named nowhere else",
            alone.len(),
            units.len()
        );
    }
}

#[test]
fn a_plugin_made_by_its_recipe_passes_the_checks() {
    let scratch = tempfile::tempdir().unwrap();
    let plugins = scratch.path().join("plugins");
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    for file in ["lib.rs", "registry.rs"] {
        copy(&root().join("plugins").join(file), &plugins.join(file));
    }
    for unit in registered(&root(), "plugins/registry.rs", "PLUGINS") {
        for file in ["mod.rs", "plugin.toml"] {
            let place = Path::new(&unit).join(file);
            copy(&root().join("plugins").join(&place), &plugins.join(&place));
        }
    }
    assert_eq!(plugin_problems(scratch.path()), None);

    // The folder, of another plugin's files, and then a line in each file that the recipe names.
    for file in ["mod.rs", "plugin.toml"] {
        let text = fs::read_to_string(plugins.join("grow").join(file)).unwrap();
        fs::create_dir_all(plugins.join("sepia")).unwrap();
        fs::write(
            plugins.join("sepia").join(file),
            text.replace("grow", "sepia"),
        )
        .unwrap();
    }
    let lacking = plugin_problems(scratch.path()).unwrap();
    assert!(lacking.contains("sepia"), "{lacking}");
    let recipe = recipes().remove(2);
    assert!(recipe.what.contains("plugin"));
    for file in &recipe.touched {
        let text = fs::read_to_string(scratch.path().join(file)).unwrap();
        let text = text.replace(
            "    &grow::INFO,\n",
            "    &grow::INFO,\n    &sepia::INFO,\n",
        );
        let text = text.replace("pub mod grow;\n", "pub mod grow;\npub mod sepia;\n");
        assert!(text.contains("sepia"), "{} needs no line", file.display());
        fs::write(scratch.path().join(file), text).unwrap();
    }
    assert_eq!(plugin_problems(scratch.path()), None);
}
