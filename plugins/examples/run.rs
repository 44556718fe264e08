use std::sync::Arc; use std::time::Instant;
use cleanplate_engine::*; use cleanplate_models::ModelStore;
use cleanplate_plugins::{image::*, pipeline::*};
struct Obs; impl Observer for Obs { fn stage(&self, _: &str, _: f32) {} fn cancelled(&self) -> bool { false } }
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let wg = std::env::var("WGPU").is_ok();
    let backend = open(&EngineOptions { backend: if wg { BackendChoice::Wgpu } else { BackendChoice::Cpu }, ..Default::default() }).unwrap();
    let models = Arc::new(ModelStore::open(std::path::Path::new("/tmp/pm/data")).unwrap());
    let runner = Runner::new(backend, models, RunLimits::default());
    let set = PipelineSet::load::<&str>(&[]).unwrap();
    let limits = Limits { pixels_max: 200_000_000, ..Limits::default() };
    // PIPELINE then triples PHOTO MASK OUT, then overrides a=b
    let files: Vec<&String> = args[2..].iter().filter(|a| !a.contains('=')).collect();
    let overrides: Vec<(String, String)> = args[2..].iter().filter_map(|a| a.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect();
    for f in files.chunks(3) {
        let photo = decode(&std::fs::read(f[0]).unwrap(), &limits).unwrap();
        let mask = decode_mask(&std::fs::read(f[1]).unwrap(), &limits).unwrap();
        let t = Instant::now();
        let out = runner.run(set.get(&args[1]).unwrap(), Request { photo, mask: Some(mask), prompts: None, overrides: overrides.clone() }, &NoObserver).unwrap();
        let s = t.elapsed().as_secs_f64();
        let px = out.mask_share * (out.photo.width * out.photo.height) as f64;
        let peak = std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap().to_string();
        let cpu = { let st = std::fs::read_to_string("/proc/self/stat").unwrap(); let v: Vec<&str> = st.rsplit(')').next().unwrap().split_whitespace().collect(); (v[11].parse::<f64>().unwrap() + v[12].parse::<f64>().unwrap()) / 100.0 };
        println!("{} hole {:.3} Mpx wall {s:.2} s cpu(total) {cpu:.2} s {peak} {:?} {:?}", f[0], px / 1e6, out.stages.iter().map(|s| format!("{}:{:.0}", s.plugin, s.ms)).collect::<Vec<_>>(), out.warnings);
        std::fs::write(f[2], out.photo.encode(&EncodeOptions::default()).unwrap()).unwrap();
    }
}
