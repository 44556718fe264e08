//! The store's promises: what is listed, what is refused, what a damaged file does.

use super::download::tests::{Manner, serve};
use std::sync::Arc;

use super::*;
use crate::arch::Role;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("lama/golden")
        .join(name)
}

/// A file as SAM's are published, in the store's folder.
fn published_sam(store: &ModelStore) -> PathBuf {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("sam/golden/sam_vit_tiny.safetensors.gz");
    let file = store.folder.join("published.bin");
    fs::write(&file, registry::published_weights(&golden).unwrap()).unwrap();
    file
}

fn store() -> (tempfile::TempDir, ModelStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::open(dir.path()).unwrap();
    (dir, store)
}

fn lama_blocks(store: &ModelStore, name: &str) -> usize {
    store.inpaint(name).unwrap();
    let weights = store.weights(name).unwrap();
    crate::lama::LamaConfig::infer(&weights).unwrap().n_blocks
}

fn files_in(store: &ModelStore) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&store.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| name != DOWNLOAD_LOCK);
    names.sort();
    names
}

#[test]
fn an_empty_folder_has_the_embedded_models_and_names_the_others() {
    let (_dir, store) = store();
    let list = store.list().unwrap();
    let present: Vec<&str> = list
        .iter()
        .filter(|info| info.present)
        .map(|info| info.name.as_str())
        .collect();
    assert_eq!(present, ["lama-small", "migan-512", "sam-small"]);
    assert!(
        list.iter()
            .any(|info| info.name == "big-lama" && info.bytes == 205_669_692 && !info.embedded)
    );
    assert!(list.iter().all(|info| info.sha256.len() == 64));
    for name in present {
        store.verify(name).unwrap();
    }
    assert_eq!(lama_blocks(&store, "lama-small"), 6);
    let lama = store.inpaint("lama-small").unwrap();
    assert!(
        Arc::ptr_eq(&lama, &store.inpaint("lama-small").unwrap()),
        "loaded once"
    );
    assert!(files_in(&store).is_empty());
}

#[test]
fn all_containers_import_to_the_same_network() {
    let (dir, store) = store();
    let sources = [
        ("from-ckpt", golden("lama_tiny.ckpt.gz")),
        ("from-script", golden("lama_tiny_jit.pt.gz")),
        // What it wrote itself: safetensors.
        ("tiny", store.weights_path("from-script")),
    ];
    for (name, file) in sources {
        let mut phases = Vec::new();
        let info = store
            .import(&file, name, &mut |p| phases.push(p.phase))
            .unwrap();
        let origin = file.file_name().unwrap().to_string_lossy();
        assert!(info.present && !info.embedded && info.arch == "lama" && info.origin == origin);
        assert_eq!(info.bytes, fs::metadata(&file).unwrap().len());
        assert!(phases.contains(&Phase::Verify) && phases.contains(&Phase::Write));
        store.verify(name).unwrap();
    }
    let values = |name: &str| -> Vec<(String, Vec<f32>)> {
        store
            .weights(name)
            .unwrap()
            .iter()
            .map(|(name, tensor)| (name.to_string(), tensor.to_f32().unwrap()))
            .collect()
    };
    let tiny = values("tiny");
    assert_eq!(tiny.len(), 133);
    assert!(tiny == values("from-ckpt") && tiny == values("from-script"));

    let again = ModelStore::open(dir.path()).unwrap();
    let imported: Vec<String> = again
        .list()
        .unwrap()
        .into_iter()
        .filter(|info| info.present)
        .map(|info| info.name)
        .collect();
    assert_eq!(
        imported,
        [
            "lama-small",
            "migan-512",
            "sam-small",
            "from-ckpt",
            "from-script",
            "tiny"
        ]
    );
    assert_eq!(lama_blocks(&again, "from-ckpt"), 2);
    let record = Record::read(&again.record_path("tiny")).unwrap().unwrap();
    assert_eq!(record.licence, "unknown");
    assert_eq!(
        record.bytes,
        fs::metadata(again.weights_path("tiny")).unwrap().len()
    );
}

#[test]
fn half_precision_stays_half() {
    let (_dir, store) = store();
    let embedded = MODELS[0].embedded.unwrap();
    let file = store.folder.join("copy.bin");
    fs::write(&file, embedded).unwrap();
    store.import(&file, "copy", &mut |_| {}).unwrap();
    let stored = fs::metadata(store.weights_path("copy")).unwrap().len();
    assert!(
        stored < embedded.len() as u64 + 4096,
        "{stored} bytes from {}",
        embedded.len()
    );
    let (copy, original) = (
        store.weights("copy").unwrap(),
        store.weights("lama-small").unwrap(),
    );
    assert!(
        copy.iter()
            .zip(original.iter())
            .all(|(a, b)| a.0 == b.0 && a.1.to_bytes().unwrap() == b.1.to_bytes().unwrap())
    );
}

#[test]
fn changed_bytes_are_found_before_use() {
    let (_dir, store) = store();
    store
        .import(&golden("lama_tiny.ckpt.gz"), "tiny", &mut |_| {})
        .unwrap();
    let path = store.weights_path("tiny");
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(store.verify("tiny"), Err(ModelError::Hash { .. })));
    assert!(matches!(
        store.inpaint("tiny"),
        Err(ModelError::Hash { .. })
    ));
    fs::write(&path, [whole, vec![0; 9]].concat()).unwrap();
    assert!(
        matches!(store.verify("tiny"), Err(ModelError::Hash { .. })),
        "appended bytes"
    );
    store
        .import(&golden("lama_tiny_jit.pt.gz"), "tiny", &mut |_| {})
        .unwrap();
    store.inpaint("tiny").unwrap();
}

#[test]
fn refusals_leave_nothing_behind_and_say_what_to_do() {
    let (_dir, store) = store();
    let junk = tempfile::NamedTempFile::new().unwrap();
    fs::write(junk.path(), b"junk").unwrap();
    let refused = |file: &Path, name: &str| store.import(file, name, &mut |_| {}).unwrap_err();
    assert!(matches!(
        refused(junk.path(), "junk"),
        ModelError::Import { .. }
    ));
    assert!(matches!(
        refused(Path::new("/nowhere/x.pt"), "x"),
        ModelError::Store { .. }
    ));
    assert!(matches!(
        refused(&golden("lama_tiny.ckpt.gz"), "lama-small"),
        ModelError::Reserved { .. }
    ));
    let message = refused(&golden("lama_tiny.ckpt.gz"), "big-lama").to_string();
    assert!(
        message.contains("n_blocks 2 instead of 18, ngf 8 instead of 64")
            && message.contains("--as NAME"),
        "{message}"
    );
    assert!(matches!(
        refused(&golden("lama_tiny.ckpt.gz"), "mobile-sam"),
        ModelError::Arch { .. }
    ));
    for name in [
        "",
        "../x",
        "a/b",
        "A",
        ".hidden",
        "a..b",
        "-x",
        "x\n",
        &"a".repeat(65),
    ] {
        assert!(
            matches!(
                refused(&golden("lama_tiny.ckpt.gz"), name),
                ModelError::Name { .. }
            ),
            "{name:?}"
        );
        assert!(store.inpaint(name).is_err());
    }
    assert!(files_in(&store).is_empty(), "{:?}", files_in(&store));
    let message = store.inpaint("big-lama").unwrap_err().to_string();
    assert!(
        message.contains("cleanplate models pull big-lama")
            && message.contains("import FILE --as big-lama"),
        "{message}"
    );
    assert!(
        store
            .inpaint("lama-fourier")
            .unwrap_err()
            .to_string()
            .contains("import FILE --as lama-fourier")
    );
    assert!(matches!(
        store.inpaint("nonsense"),
        Err(ModelError::Unknown { .. })
    ));
    assert!(matches!(
        store.pull("lama-fourier", &mut |_| {}),
        Err(ModelError::NotPublished { .. })
    ));
    assert!(
        store.pull("lama-small", &mut |_| {}).unwrap().present,
        "embedded models need no download"
    );
}

#[test]
fn a_pulled_file_is_resumed_verified_imported_and_cleared_away() {
    let (_dir, store) = store();
    let content = fs::read(golden("lama_tiny.ckpt.gz")).unwrap();
    let (sha256, bytes) = files::hash(&content[..], |_| {}).unwrap();
    let (url, ranges) = serve(content, vec![Manner::CutAfter(10_000), Manner::Correct]);
    let info = store
        .fetch_and_import(
            "pulled",
            &Download {
                url: &url,
                bytes,
                sha256: &sha256,
            },
            &mut |_| {},
        )
        .unwrap();
    assert_eq!(
        ranges.iter().collect::<Vec<_>>(),
        [None, Some("bytes=10000-".to_string())]
    );
    assert!(info.present && info.sha256 == sha256 && info.origin == url);
    assert_eq!(files_in(&store), ["pulled.safetensors", "pulled.toml"]);
    store.inpaint("pulled").unwrap();
}

#[test]
fn a_mirror_with_other_content_is_refused() {
    let (_dir, store) = store();
    let (url, _) = serve(vec![7; 1000], vec![Manner::Correct]);
    let message = store
        .pull_from("mobile-sam", &url, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("1000 bytes, 40728226 are pinned"),
        "{message}"
    );
    assert!(!store.info("mobile-sam").unwrap().present);
}

#[test]
fn one_download_at_a_time() {
    let (_dir, store) = store();
    let lock = File::create(store.folder.join(DOWNLOAD_LOCK)).unwrap();
    lock.lock().unwrap();
    let message = store
        .pull_from("mobile-sam", "http://127.0.0.1:1/x", &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(message.contains("another one may be running"), "{message}");
}

#[test]
fn sam_files_are_checked_stored_and_loaded_as_sam() {
    let (_dir, store) = store();
    let file = published_sam(&store);
    let info = store.import(&file, "tiny-sam", &mut |_| ()).unwrap();
    assert!(info.present && info.arch == "sam");
    let weights = store.weights("tiny-sam").unwrap();
    assert_eq!(weights.len(), 174);
    assert!(weights.metadata().contains_key("config"));
    let sam = store.segment("tiny-sam").unwrap();
    assert_eq!(sam.embedding()[3], 64, "channels of the decoder");
    assert!(
        Arc::ptr_eq(&sam, &store.segment("tiny-sam").unwrap()),
        "loaded once"
    );
    for wrong in [
        store.inpaint("tiny-sam").map(|_| ()),
        store.segment("lama-small").map(|_| ()),
    ] {
        assert!(matches!(wrong, Err(ModelError::Role { .. })), "{wrong:?}");
    }
    let refused = store
        .import(&file, "sam-vit-b", &mut |_| ())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("sam-vit-b") && refused.contains("--as"),
        "{refused}"
    );
    assert!(matches!(
        store.segment("sam-vit-b"),
        Err(ModelError::Absent { .. })
    ));
}

#[test]
fn a_wrong_file_for_a_name_is_told_by_what_it_is() {
    let (_dir, store) = store();
    let embedded = |name: &str| {
        let path = store.folder.join("given");
        fs::write(&path, known(name).unwrap().embedded.unwrap()).unwrap();
        path
    };
    let refused = |file: &Path, name: &str| {
        let refused = store.import(file, name, &mut |_| ()).unwrap_err();
        assert!(matches!(refused, ModelError::Arch { .. }), "{refused}");
        refused.to_string()
    };
    let message = refused(&embedded("sam-small"), "mobile-sam");
    assert!(message.contains("holds sam-small (sam)"), "{message}");
    let message = refused(&embedded("lama-small"), "sam-vit-h");
    assert!(
        message.contains("holds lama-small (lama)") && message.contains("--as NAME"),
        "{message}"
    );
    let message = refused(&golden("lama_tiny.ckpt.gz"), "sam-vit-b");
    assert!(
        message.contains("another network, lama with") && message.contains("\"ngf\":8"),
        "{message}"
    );
}

#[test]
fn every_model_loads_by_hand_whatever_its_family() {
    let (_dir, store) = store();
    for info in store.list().unwrap().iter().filter(|info| info.present) {
        store.load(&info.name).unwrap();
    }
    let loaded = store.loaded().unwrap();
    for arch in registry::ARCHS {
        let of_arch = |name: &String| store.info(name).unwrap().arch == arch.name;
        assert!(loaded.iter().any(of_arch), "{arch:?}: {loaded:?}");
    }
}

#[test]
fn auto_prefers_what_was_imported() {
    let (_dir, store) = store();
    let auto = |role| store.auto(role).unwrap().unwrap().name;
    assert_eq!(auto(Role::Inpaint), "migan-512");
    assert_eq!(auto(Role::Segment), "sam-small");
    // The record and the weights' file are what makes a model present; what they hold is looked at when it is loaded.
    for name in ["big-lama", "sam-vit-b"] {
        store
            .import(&golden("lama_tiny.ckpt.gz"), "tiny", &mut |_| {})
            .unwrap();
        fs::rename(store.weights_path("tiny"), store.weights_path(name)).unwrap();
        let record = fs::read_to_string(store.record_path("tiny")).unwrap();
        let record = record.replace("\"tiny\"", &format!("{name:?}"));
        fs::write(store.record_path(name), record).unwrap();
    }
    assert_eq!(auto(Role::Inpaint), "big-lama");
    assert_eq!(auto(Role::Segment), "sam-vit-b");
    let for_click = store.auto_for_click().unwrap().unwrap().name;
    assert_eq!(
        for_click, "sam-small",
        "what was imported makes clicks no worse"
    );
}

#[test]
fn records_of_earlier_versions_name_their_family_otherwise() {
    let (_dir, store) = store();
    let file = published_sam(&store);
    store.import(&file, "tiny-sam", &mut |_| ()).unwrap();
    let path = store.record_path("tiny-sam");
    let rewrite = |arch: &str| {
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.starts_with("arch")).unwrap();
        fs::write(&path, text.replace(line, &format!("arch = \"{arch}\""))).unwrap();
    };
    rewrite("sam-vit");
    store.segment("tiny-sam").unwrap();
    store.unload("tiny-sam");
    rewrite("sam-9");
    let message = store.segment("tiny-sam").unwrap_err().to_string();
    assert!(
        message.contains("no architecture \"sam-9\"; known are lama, "),
        "{message}"
    );
}

#[test]
fn without_embedded_weights_they_are_read_from_the_folder() {
    let (_dir, mut store) = store();
    store.use_embedded = false;
    assert!(store.list().unwrap().iter().all(|info| !info.present));
    assert!(store.auto(Role::Inpaint).unwrap().is_none());
    let message = store.inpaint("lama-small").unwrap_err().to_string();
    assert!(
        message.contains("lama-small.safetensors") && message.contains("models/weights/lama-small"),
        "{message}"
    );
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    for name in ["lama-small", "sam-small"] {
        let file = shipped.join(name).join(format!("{name}.safetensors"));
        fs::copy(file, store.weights_path(name)).unwrap();
        let info = store.verify(name).unwrap();
        assert!(info.present && !info.embedded && info.licence == "Apache-2.0");
        store.load(name).unwrap();
    }
    let mut bytes = fs::read(store.weights_path("lama-small")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(store.weights_path("lama-small"), bytes).unwrap();
    assert!(matches!(
        store.verify("lama-small"),
        Err(ModelError::Hash { .. })
    ));
}
