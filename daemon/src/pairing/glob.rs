//! Names that are left alone.

/// Files and folders of systems, browsers, editors and copy programs.
const IGNORED: [&str; 18] = [
    ".*",
    "~$*",
    "*~",
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.filepart",
    "*.download",
    "desktop.ini",
    "Thumbs.db",
    "@eaDir",
    "#recycle",
    "__MACOSX",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Whether a file or folder is left alone, by the list above or the folder's own.
pub fn is_ignored(name: &str, own: &[String]) -> bool {
    IGNORED
        .iter()
        .copied()
        .chain(own.iter().map(String::as_str))
        .any(|glob| matches(glob.as_bytes(), name.as_bytes()))
}

/// Whether a name fits a glob with `*` and `?`. Linear in name times glob.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if g < glob.len() && glob[g] == b'*' {
            star = Some((g, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == b'?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((at, from)) = star {
            // The last star takes one more character.
            star = Some((at, from + 1));
            (g, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, name, fits) in [
            ("*.tmp", "a.tmp", true),
            ("*.tmp", "a.tmp.png", false),
            ("~$*", "~$a", true),
            ("a?c*", "abcd", true),
            ("*a*b", "xaxxb", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(
                matches(glob.as_bytes(), name.as_bytes()),
                fits,
                "{glob} {name}"
            );
        }
        assert!(
            is_ignored(".photo.png.Xy12", &[])
                && is_ignored("draft-1.png", &["draft-*".to_string()])
                && !is_ignored("photo.png", &[])
        );
    }
}
