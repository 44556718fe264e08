// scratch: pm IMAGE MASK OUT [key=value..]
use cleanplate_engine::*;
use cleanplate_plugins::patchmatch::*;
use cleanplate_plugins::pipeline::ExecutableCache;
use std::time::Instant;

fn pnm(path: &str) -> (usize, usize, usize, Vec<u8>) {
    let b = std::fs::read(path).unwrap();
    let mut at = 0;
    let mut words = Vec::new();
    while words.len() < 4 {
        let s = at;
        while !b[at].is_ascii_whitespace() {
            at += 1;
        }
        words.push(String::from_utf8_lossy(&b[s..at]).to_string());
        at += 1;
    }
    let c = if words[0] == "P6" { 3 } else { 1 };
    (words[1].parse().unwrap(), words[2].parse().unwrap(), c, b[at..].to_vec())
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (w, h, _, img) = pnm(&args[1]);
    let (_, _, _, m) = pnm(&args[2]);
    let mut s = Settings::best();
    let mut grow = 4usize;
    let mut margin = 0.5f64;
    let mut margin_min = 64usize;
    let mut profile = false;
    let mut guide: Option<Vec<f32>> = None;
    for a in &args[4..] {
        let (k, v) = a.split_once('=').unwrap();
        let list = |v: &str| v.split(',').map(|x| x.parse().unwrap()).collect::<Vec<usize>>();
        match k {
            "preset" => s = if v == "mild" { Settings::mild() } else { Settings::best() },
            "r" => s.radius = v.parse().unwrap(),
            "tex" => s.texture = v.parse().unwrap(),
            "gamma" => s.gamma = v.parse().unwrap(),
            "kw" => s.known_weight = v.parse().unwrap(),
            "sx" => s.ring_px = v.parse().unwrap(),
            "iters" => s.iterations = list(v),
            "rounds" => s.rounds = list(v),
            "steps" => s.steps = list(v),
            "seed" => s.seed = v.parse().unwrap(),
            "blend" => {
                s.blend = match v {
                    "n" => Blend::None,
                    "g" => Blend::Gradient,
                    v => Blend::Damped(v.parse().unwrap()),
                }
            }
            "effort" => s.effort_px = v.parse().unwrap(),
            "grow" => grow = v.parse().unwrap(),
            "margin" => margin = v.parse().unwrap(),
            "margin_min" => margin_min = v.parse().unwrap(),
            "profile" => profile = true,
            "mu" => s.guide = Some(v.parse().unwrap()),
            "guide" => {
                let g = pnm(v).3;
                guide = Some(g.iter().map(|b| *b as f32 / 255.0).collect());
            }
            _ => panic!("{k}"),
        }
    }
    // dilate (disc)
    let g = grow as i64;
    let mut hole = vec![false; w * h];
    for y in 0..h as i64 {
        for x in 0..w as i64 {
            if m[(y * w as i64 + x) as usize] >= 128 {
                for dy in -g..=g {
                    for dx in -g..=g {
                        if dx * dx + dy * dy <= g * g {
                            let (a, b) = (x + dx, y + dy);
                            if a >= 0 && b >= 0 && a < w as i64 && b < h as i64 {
                                hole[(b * w as i64 + a) as usize] = true;
                            }
                        }
                    }
                }
            }
        }
    }
    let (mut x0, mut y0, mut x1, mut y1) = (w, h, 0, 0);
    for y in 0..h {
        for x in 0..w {
            if hole[y * w + x] {
                x0 = x0.min(x);
                x1 = x1.max(x + 1);
                y0 = y0.min(y);
                y1 = y1.max(y + 1);
            }
        }
    }
    let mg = ((margin * (x1 - x0).max(y1 - y0) as f64) as usize).max(margin_min);
    let (cx0, cy0, cx1, cy1) = (x0.saturating_sub(mg), y0.saturating_sub(mg), (x1 + mg).min(w), (y1 + mg).min(h));
    let (cw, ch) = (cx1 - cx0, cy1 - cy0);
    let mut px = Vec::new();
    let mut im = Vec::new();
    let mut gd = Vec::new();
    for y in cy0..cy1 {
        for x in cx0..cx1 {
            px.push(if hole[y * w + x] { Pixel::Hole } else { Pixel::Known });
            for c in 0..3 {
                im.push(img[(y * w + x) * 3 + c] as f32 / 255.0);
                if let Some(g) = &guide {
                    gd.push(g[(y * w + x) * 3 + c]);
                }
            }
        }
    }
    if guide.is_none() {
        s.guide = None;
    }
    let count = hole.iter().filter(|h| **h).count();
    let wg = std::env::var("WGPU").is_ok();
    let backend =
        open(&EngineOptions { backend: if wg { BackendChoice::Wgpu } else { BackendChoice::Cpu }, ..Default::default() }).unwrap();
    let cache = ExecutableCache::new(8, 4 << 30);
    let mut out = None;
    for _ in 0..if profile { 2 } else { 1 } {
        let scene = Scene { width: cw, height: ch, rgb: im.clone(), pixels: px.clone(), guide: guide.as_ref().map(|_| gd.clone()) };
        let t0 = Instant::now();
        let f = fill(scene, &s, true, Device { backend: &*backend, executables: &cache, cancelled: &|| false }).unwrap();
        let dt = t0.elapsed().as_secs_f64();
        eprintln!(
            "{} hole {} crop {}x{}: {:.0} ms = {:.1} s/Mpx",
            args[1].rsplit('/').next().unwrap(),
            count,
            cw,
            ch,
            dt * 1e3,
            dt / count as f64 * 1e6
        );
        if let (Some(field), Ok(dir)) = (&f.field, std::env::var("DUMP")) {
            let bytes = |v: &[u32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            std::fs::write(format!("{dir}/nnf.bin"), bytes(&field.nnf)).unwrap();
            std::fs::write(format!("{dir}/sites.bin"), bytes(&field.sites)).unwrap();
            std::fs::write(format!("{dir}/rgb.bin"), f.rgb.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
            std::fs::write(format!("{dir}/in.bin"), im.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
            std::fs::write(format!("{dir}/size.txt"), format!("{cw} {ch}")).unwrap();
        }
        out = Some(f.rgb);
    }
    let o = out.unwrap();
    let mut res = img.clone();
    for y in 0..ch {
        for x in 0..cw {
            if px[y * cw + x] == Pixel::Hole {
                for c in 0..3 {
                    res[((y + cy0) * w + x + cx0) * 3 + c] = (o[(y * cw + x) * 3 + c] * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
    let mut o = format!("P6\n{w} {h}\n255\n").into_bytes();
    o.extend(res);
    std::fs::write(&args[3], o).unwrap();
}
