//! What becomes of the results of a watched folder.

use std::path::Path;

use super::reader::Reader;
use crate::outbound;

const STEM: &str = "{stem}";
const ENDING: &str = ".{ext}";
/// Places that the arguments of a command may name.
pub const PLACES: [&str; 5] = ["{status}", "{folder}", "{result}", "{report}", "{photo}"];

/// What becomes of results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finish {
    /// Name of a result without ending, as text before and after the stem.
    pub output_name: (String, String),
    /// The mask that was used lies beside the result.
    pub mask_copy: bool,
    /// A page with photo, mask and result of each pair, whenever the folder has nothing left to do.
    pub contact_sheet: bool,
    /// Where the end of each job is told.
    pub webhook_url: Option<String>,
    /// Program and arguments for each pair that has ended.
    pub on_done: Vec<String>,
}

impl Finish {
    /// Name of the result of a pair, without ending.
    pub fn name(&self, stem: &str) -> String {
        let (before, after) = &self.output_name;
        format!("{before}{stem}{after}")
    }

    /// Whether anything is done with the mask that was used.
    pub fn wants_mask(&self) -> bool {
        self.mask_copy || self.contact_sheet
    }
}

/// Reads the options; `place` says where each stands.
pub(super) fn read(r: &mut Reader<'_>, place: impl Fn(&Reader<'_>, &str) -> String) -> Finish {
    let path = place(r, "output_name");
    let output_name = r.parsed(&path, (String::new(), String::new()), |text| {
        output_name(text).ok_or_else(|| {
            format!("{STEM} once, {ENDING} at the end, no slash and no other braces")
        })
    });
    let (mask_copy, contact_sheet) = (place(r, "mask_copy"), place(r, "contact_sheet"));
    let path = place(r, "webhook_url");
    let url = r.text(&path);
    let allowed = super::outgoing::allowed(r, "webhooks.allowed_hosts");
    if !url.is_empty()
        && let Err(why) = outbound::check(&url, &allowed)
    {
        r.problem(&path, why);
    }
    let path = place(r, "on_done");
    let on_done = r.list(&path);
    let commands = r.list("hot_folders.commands");
    if let Err(why) = check_command(&on_done, &commands) {
        r.problem(&path, why);
    }
    Finish {
        output_name,
        mask_copy: r.flag(&mask_copy),
        contact_sheet: r.flag(&contact_sheet),
        webhook_url: (!url.is_empty()).then_some(url),
        on_done,
    }
}

fn output_name(text: &str) -> Option<(String, String)> {
    let (before, after) = text.strip_suffix(ENDING)?.split_once(STEM)?;
    let rest = format!("{before}{after}");
    let fits =
        !rest.contains(['/', '{', '}', '\0']) && !before.starts_with('.') && rest.len() <= 40;
    fits.then(|| (before.to_string(), after.to_string()))
}

fn check_command(on_done: &[String], commands: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = on_done.split_first() else {
        return Ok(());
    };
    if !Path::new(program).is_absolute() {
        return Err(format!("{program:?} is no absolute path of a program"));
    }
    if !commands.contains(program) {
        return Err(format!(
            "{program:?} is none that `hot_folders.commands` lists"
        ));
    }
    for argument in arguments {
        let rest = PLACES
            .iter()
            .fold(argument.clone(), |text, place| text.replace(place, ""));
        if rest.contains(['{', '}']) {
            return Err(format!(
                "argument {argument:?} may name {}",
                PLACES.join(", ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_results_keep_stem_and_ending() {
        let name = |text| {
            output_name(text).map(|output_name| {
                Finish {
                    output_name,
                    ..Finish::default()
                }
                .name("a")
            })
        };
        assert_eq!(name("{stem}.{ext}").as_deref(), Some("a"));
        assert_eq!(name("x {stem}_clean.{ext}").as_deref(), Some("x a_clean"));
        for bad in [
            "{stem}",
            "clean.{ext}",
            "../{stem}.{ext}",
            ".{stem}.{ext}",
            "{stem}{stem}.{ext}",
            "{x}{stem}.{ext}",
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn commands_are_listed_by_absolute_path() {
        let check = |on_done: &[&str]| {
            let on_done: Vec<String> = on_done.iter().map(ToString::to_string).collect();
            check_command(&on_done, &["/bin/true".to_string()])
        };
        assert!(check(&[]).is_ok() && check(&["/bin/true", "{result}", "a {report}"]).is_ok());
        assert!(check(&["true"]).unwrap_err().contains("absolute"));
        assert!(
            check(&["/bin/sh"])
                .unwrap_err()
                .contains("hot_folders.commands")
        );
        assert!(
            check(&["/bin/true", "{output}"])
                .unwrap_err()
                .contains("{result}")
        );
    }
}
