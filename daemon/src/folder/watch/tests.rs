//! Deliveries in the absence of a device: what is handed in comes back as it was.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cleanplate_pictures::{Limits, Mask};
use cleanplate_pipeline::{Pipeline, PipelineSet};
use serde_json::json;

use super::super::executor::{Begun, Bytes, Ending, Executor, Made, Task};
use super::super::{Board, Bounds, Menu};
use super::{FolderWatch, Setup};
use crate::config::{HotFolder, Rules};
use crate::files::{Blobs, Dirs};
use crate::folder::scan::tests::rules;
use crate::jobs::ByteBudget;

/// The photo is the result, and the mask is a result of this name.
struct Echo(Arc<Blobs>, String);

impl Executor for Echo {
    fn begin(&self, task: Task) -> Begun {
        Begun::Ended(Ending::Made(Box::new(Made {
            bytes: Bytes::Here(task.photo.to_vec()),
            mask: Some(Bytes::Kept(self.0.clone(), self.1.clone())),
            extension: "png",
            size: task.size,
            job: None,
            credits: 0,
            duplicate: false,
            processing_ms: 0.0,
            timings: json!({}),
            models: json!([]),
            device: json!(null),
            warnings: json!([]),
        })))
    }

    fn closed(&self) -> Option<String> {
        None
    }
}

/// `mask`: the name among the results, which lie beside `root`; empty: their folder, which is no file.
fn run(root: &Path, rules: Rules, mask: &str) -> io::Result<()> {
    let dirs = Dirs::under(root.parent().unwrap());
    dirs.prepare().unwrap();
    let folder = HotFolder {
        name: "plates".to_string(),
        path: root.to_path_buf(),
        output: root.join("output"),
        account: None,
        rules,
    };
    let own = Arc::new(Pipeline {
        name: "none".to_string(),
        description: String::new(),
        steps: Vec::new(),
        planes: None,
    });
    let setup = Setup {
        menu: Menu {
            own,
            set: PipelineSet::default(),
            rules: None,
        },
        executor: Arc::new(Echo(Arc::new(Blobs::local(&dirs)), mask.to_string())),
        bounds: Bounds {
            bytes_max: 1 << 20,
            points_max: 1,
            image: Limits::default(),
            memory: Arc::new(ByteBudget::new(1 << 30)),
        },
        board: Arc::new(Board::new(&folder, "none", None, None, None)),
        stop: Arc::new(AtomicBool::new(false)),
        once: true,
        folder,
    };
    FolderWatch::new(setup).run()
}

#[test]
fn a_mask_that_is_wanted_is_waited_for_unless_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (root, gone) = (dir.path().join("in"), dir.path().join("results/gone"));
    let picture = crate::picture::mask_png(&Mask::empty(8, 6)).unwrap();
    let drop_pair = |name: &str| {
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join(format!("{name}.png")), &picture).unwrap();
        fs::write(root.join(format!("{name}_mask.png")), &picture).unwrap();
    };
    let mut with_mask = rules();
    with_mask.finish.mask_copy = true;
    // What cannot be read is no mask, but nobody asks for it.
    drop_pair("a");
    run(&root, rules(), "").unwrap();
    assert!(root.join("done/a.report.json").exists());
    // Swept away: it is only missing.
    drop_pair("b");
    run(&root, with_mask.clone(), "gone").unwrap();
    assert!(root.join("output/b.png").exists() && !root.join("output/b_mask.png").exists());
    // Anything else is a trouble of the daemon's disk: nothing is delivered by halves.
    drop_pair("c");
    let error = run(&root, with_mask.clone(), "").unwrap_err();
    let told = error.to_string();
    assert!(told.contains("reading the mask of a result"), "{told}");
    assert!(!root.join("output/c.png").exists() && !root.join("done/c.report.json").exists());
    // The next run goes on with it.
    fs::write(&gone, &picture).unwrap();
    run(&root, with_mask, "gone").unwrap();
    assert_eq!(fs::read(root.join("output/c_mask.png")).unwrap(), picture);
}

#[test]
fn a_pair_whose_mask_is_gone_is_on_the_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("in");
    let picture = crate::picture::mask_png(&Mask::empty(8, 6)).unwrap();
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("a.png"), &picture).unwrap();
    fs::write(root.join("a_mask.png"), &picture).unwrap();
    let mut sheet = rules();
    sheet.finish.contact_sheet = true;
    run(&root, sheet, "gone").unwrap();
    let page = fs::read_dir(root.join("output"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "html"));
    let page = fs::read_to_string(page.unwrap()).unwrap();
    assert_eq!(page.matches("data:image/jpeg").count(), 2, "{page}");
    assert!(page.contains("cannot be shown: it is gone"), "{page}");
}
